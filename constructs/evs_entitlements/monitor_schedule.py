"""How often the monitor looks, and what follows from that for the periods of its alarms. Pure but for CDK's values.

Owns the reading of a schedule and CloudWatch's limits on how far an alarm looks back. Never makes a resource.
"""

import re
from dataclasses import dataclass
from itertools import pairwise

from aws_cdk import Duration, Token
from aws_cdk import aws_events as events

#: EVS checks a connector every ten minutes.
DEFAULT_MINUTES = 5
_DAY = 1440
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_CRON = re.compile(r"cron\((\S+) (\S+) .+\)")
_STEP = re.compile(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?")
#: CloudWatch's limit on periods times their number, in seconds: for periods below an hour, and for others.
#: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
_LOOKS_BACK, _HOUR, _LOOKS_BACK_BY_HOURS = 86_400, 3_600, 604_800


@dataclass(frozen=True)
class Periods:
    """The periods of the alarms.

    Attributes:
        shortest: from one run to the next at the shortest. Alarms on what was found have it: periods without a run
            would keep them from ever counting two in a row.
        longest: from one run to the next at the longest, on days with runs. The alarm on a silent monitor has it.
    """

    shortest: Duration
    longest: Duration


def schedule_of(given: events.Schedule | None) -> events.Schedule:
    """Return the schedule, every five minutes when left out."""
    return given or events.Schedule.rate(Duration.minutes(DEFAULT_MINUTES))


def periods_of(schedule: events.Schedule) -> Periods:
    """Return the periods of a schedule; five minutes where it is a token.

    Raises:
        ValueError: there are not even daily runs.
    """
    expression = schedule.expression_string
    gaps = _gaps(expression)
    if max(gaps) > _DAY:
        raise ValueError(f"schedule: got {expression}, expected a run every day at the least")
    return Periods(Duration.minutes(min(gaps)), Duration.minutes(max(gaps)))


def _gaps(expression: str) -> list[int]:
    """Return the minutes from each run to the next."""
    if found := _RATE.fullmatch(expression):
        return [int(found[1]) * {"minute": 1, "hour": 60, "day": _DAY}[found[2]]]
    found = _CRON.fullmatch(expression)
    minutes, hours = (_values(found[1], 60), _values(found[2], 24)) if found else ([], [])
    # EventBridge says what is wrong with an expression. A token is known only at deployment.
    moments = [60 * hour + minute for hour in hours for minute in minutes] or [0]
    gaps = [after - before for before, after in pairwise([*moments, moments[0] + _DAY])]
    return gaps if minutes and hours else [DEFAULT_MINUTES]


def _values(field: str, end: int) -> list[int]:
    """Return the values of a field of a cron expression below `end`; none where it can't be read."""
    values: set[int] = set()
    for part in field.split(","):
        found = _STEP.fullmatch(part)
        if found is None:
            return []
        first, last, step = found.groups()
        # A first value with a step has no end.
        stop = int(last) + 1 if last else end if first is None or step else int(first) + 1
        values.update(range(int(first or 0), min(stop, end), max(int(step or 1), 1)))
    return sorted(values)


def count_of(name: str, wanted: Duration | None, period: Duration, default: int) -> int:
    """Return how many periods an alarm looks back.

    Raises:
        ValueError: `wanted` is shorter than a period, or longer than CloudWatch looks back.
    """
    if wanted is None:
        return default
    seconds, each = wanted.to_seconds(), int(period.to_seconds())
    if Token.is_unresolved(seconds) or seconds < each:
        raise ValueError(f"{name}: got {seconds} seconds, expected a period of the schedule or more ({each} seconds)")
    count, most = int(-(-seconds // each)), _LOOKS_BACK if each < _HOUR else _LOOKS_BACK_BY_HOURS
    if count * each > most:
        raise ValueError(
            f"{name}: got {seconds:g} seconds, expected {most // each * each} at the most: CloudWatch looks back no "
            f"longer with periods of {each} seconds"
        )
    return count
