"""Times as the command writes and reads them: UTC, ISO 8601, seconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from evs_fleet.errors import UsageError

_AGO = re.compile(r"(\d{1,5})\s*([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
EXPECTED = "a date (2026-11-01), a time (2026-11-01T08:00:00Z) or an age (12h, 7d, 4w)"


def iso(value: datetime | None) -> str | None:
    """Return a time as in `2026-11-26T17:55:12Z`, or None for None."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if value else None


def parse_time(option: str, text: str, *, now: datetime) -> datetime:
    """Return the time that a user wrote: a date, an ISO 8601 time, or how long ago. Without a zone it is UTC.

    Args:
        option: the option's name, for the error.
        text: what was written.
        now: the time from which an age is counted.

    Raises:
        UsageError: it is none of these.
    """
    try:
        if ago := _AGO.fullmatch(text.strip()):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        parsed = datetime.fromisoformat(text.strip())
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{option}: got {text!r}, expected {EXPECTED}") from None
