"""Runs of this machine: one at a time, and those that were not cleaned up."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from acceptance.errors import AcceptanceError


@contextlib.contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Let no other run of this machine go on beside this one: it would clean up what is in use.

    Raises:
        AcceptanceError: there is another one.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as file:
        try:
            # It goes with the process, however that ends.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AcceptanceError(f"another run is under way in {directory}; expected none") from None
        yield


def unfinished(directory: Path) -> list[Path]:
    """Return the records of runs that were not cleaned up, the oldest first."""
    with contextlib.suppress(OSError):
        return sorted(directory.glob("*/record.json"))
    return []
