"""The handler that is tried: the real one, whole.

Owns what would make a seed go other ways: the ids by which invocations know each other are numbered here.
"""

import itertools
from typing import Any
from uuid import UUID

from greenlet import getcurrent  # type: ignore[import-untyped]

from lambda_handler.invocation import run as _run
from lambda_handler.ledger import fence

_others = itertools.count()


def _numbered() -> UUID:
    invocation = getattr(getcurrent(), "invocation", None)
    # The first twelve of an id's digits are used.
    return UUID(int=(invocation.number if invocation else next(_others)) << 80)


fence.uuid4 = _numbered  # type: ignore[attr-defined]


def run(event: dict[str, Any], context: Any, platform: Any) -> None:
    """Serve one event."""
    _run(event, context, platform)
