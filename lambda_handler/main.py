"""The entry point of the function, and nothing else."""

from typing import Any

from .clock import LambdaContext
from .invocation import run
from .platform import LambdaPlatform


def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Serve an event of CloudFormation's, or the continuation of one."""
    run(event, context, LambdaPlatform())
