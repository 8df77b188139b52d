"""Entry point of ``python -m local_aws``."""

import sys

try:
    from local_aws.cli import cli
except ModuleNotFoundError as missing:
    # For `eval`: what follows it is meant for the local AWS alone.
    sys.stdout.write("false\n")
    sys.exit(
        f"error: {sys.executable} does not have {missing.name}: run `make set-up` in this project's folder, and its "
        ".venv/bin/python -m local_aws"
    )

cli(prog_name="python -m local_aws")
