"""The handler that is tried: the real one, whole."""

from typing import Any

from lambda_handler.invocation import run as _run


def run(event: dict[str, Any], context: Any, platform: Any) -> None:
    """Serve one event."""
    _run(event, context, platform)
