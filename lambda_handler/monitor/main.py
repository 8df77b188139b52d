"""The entry point of the monitor's function, and nothing else."""

from typing import Any

from ..clock import LambdaContext
from ..platform import LambdaPlatform
from .run import run


def handler(_event: dict[str, Any], context: LambdaContext) -> None:
    """Look once. What the schedule's event says does not matter."""
    run(context, LambdaPlatform())
