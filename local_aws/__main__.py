"""Entry point of ``python -m local_aws``."""

from local_aws.cli import cli

cli(prog_name="python -m local_aws")
