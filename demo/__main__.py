"""Entry point of ``python -m demo [--all]``: runs the demo and stops all that it started, whatever happens."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType

from rich.console import Console

import demo
from demo.steps import Demo, UnexpectedError
from local_aws import LocalAws, Settings
from local_aws.instances import DIRECTORY
from testing.cdk import CdkTimeoutError

#: Seconds until an entitlement is CREATED: long enough to see the function wait.
CREATE_LATENCY = 2.0


def main() -> int:
    """Run the demo; return 0 when everything was as it should be."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=demo.__doc__)
    parser.add_argument("--all", action="store_true", help="a missing permission too, which takes 90 s more")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    # A shell starts what it runs in the background with this one ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Reasons and tables are wide; where there is no terminal, nobody says how wide a line may be.
    console = Console() if sys.stdout.isatty() else Console(width=120)
    directory: Path | None = None
    try:
        console.print("Starting the local AWS: CloudFormation, Lambda, IAM and others, and Amazon EVS.")
        with LocalAws(settings=Settings(create_latency=CREATE_LATENCY)) as aws:
            directory = DIRECTORY / f"{aws.name}-cdk"
            Demo(aws, directory, console, everything=arguments.all).run()
    except (UnexpectedError, CdkTimeoutError) as error:
        console.print(f"\n[red]Not as it should be:[/] {error}", highlight=False, markup=True)
        return 1
    except KeyboardInterrupt:
        console.print("\nStopped before the end.")
        return 130
    finally:
        if directory:
            shutil.rmtree(directory, ignore_errors=True)
    return 0


def _end(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
