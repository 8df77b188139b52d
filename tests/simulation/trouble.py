"""What goes wrong with single calls, by lot or as a test has planned it.

Owns the fates of calls. A fate says whether the call takes effect, when, and what the caller is told, after how long.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from .errors import client_error
from .weather import Weather

#: A call that was not answered takes effect so many seconds after it left at most; one answered with 5xx, so many.
LANDS, FAULT_LANDS = 50.0, 10.0
READS = (
    "ListVmEntitlements",
    "ListEnvironmentConnectors",
    "GetItem",
    "DescribeStacks",
    "DescribeStackResource",
    "DescribeStackEvents",
)


@dataclass(frozen=True)
class Fate:
    """What becomes of one call.

    Attributes:
        name: for the story.
        effect: after so many seconds; None: never.
        error: what the caller is told in place of the answer, if anything; made from the operation and the address.
        silent: the caller hears nothing until its read time-out.
        late: the answer takes so many seconds more.
    """

    name: str
    effect: float | None = 0.0
    error: Callable[[str], Exception] | None = None
    silent: bool = False
    late: float = 0.0


GOOD = Fate("ok")


def throttled(wait: float = 0.0, code: str = "ThrottlingException") -> Fate:
    fields: dict[str, Any] = {"retryAfterSeconds": int(wait)} if wait else {}
    return Fate("throttled", None, lambda name: client_error(name, code, "Rate exceeded", 400, **fields))


def internal_error(effect: float | None) -> Fate:
    return Fate("500", effect, lambda name: client_error(name, "InternalServerException", "internal error", 500))


def unreachable() -> Fate:
    return Fate("unreachable", None, lambda name: EndpointConnectionError(endpoint_url="https://aws.example"))


def broken(effect: float | None) -> Fate:
    return Fate("connection lost", effect, lambda name: ConnectionClosedError(endpoint_url="https://aws.example"))


def silence(effect: float | None) -> Fate:
    return Fate("no answer", effect, lambda name: ReadTimeoutError(endpoint_url="https://aws.example"), silent=True)


def denied() -> Fate:
    return Fate("denied", None, lambda name: client_error(name, "AccessDeniedException", f"not allowed: {name}", 403))


def not_found(environment_id: str) -> Fate:
    return Fate(
        "not found once",
        None,
        lambda name: client_error(
            name,
            "ResourceNotFoundException",
            f"The environment {environment_id} was not found",
            404,
            resourceId=environment_id,
            resourceType="environment",
        ),
    )


def garbage() -> Fate:
    return Fate("garbage", 0.0, lambda name: KeyError("Output"))


@dataclass
class Trouble:
    """The fates of all calls of a history.

    Attributes:
        planned: operation -> fates that its next calls meet.
        outages: service -> (from, until): it cannot be reached.
        lasting: service -> (a fate, until): so its calls end, where a test has planned nothing else for them.
    """

    weather: Weather
    environment_id: str
    planned: dict[str, list[Fate]] = field(default_factory=dict)
    outages: dict[str, tuple[float, float]] = field(default_factory=dict)
    denied_until: dict[str, float] = field(default_factory=dict)
    is_calm: bool = False
    lasting: dict[str, tuple[Fate, float]] = field(default_factory=dict)

    def plan(self, operation: str, *fates: Fate) -> None:
        """Let the next calls of an operation meet these fates, in order."""
        self.planned.setdefault(operation, []).extend(fates)

    def fate(self, service: str, operation: str, now: float, random: Random, *, may_be_lost: bool) -> Fate:
        """Return what becomes of a call."""
        if planned := self.planned.get(operation):
            return planned.pop(0)
        fate, until = self.lasting.get(service, (GOOD, 0.0))
        # How Lambda answers what reaches it is the weather's `hand_over`.
        if now < until or service == "lambda":
            return fate if now < until else GOOD
        began, ends = self.outages.get(service, (0.0, 0.0))
        if began <= now < ends:
            return throttled() if random.random() < 0.3 else unreachable()
        if now < self.denied_until.get(operation, 0.0):
            return denied()
        return GOOD if self.is_calm else self._drawn(service, operation, random, may_be_lost=may_be_lost)

    def _drawn(self, service: str, operation: str, random: Random, *, may_be_lost: bool) -> Fate:
        if operation == "ListEnvironmentConnectors":
            return self._connectors(random)
        if service == "evs":
            return self._evs(operation, random, may_be_lost=may_be_lost)
        if service == "dynamodb":
            return self._dynamodb(operation, random)
        if service == "cloudformation" and random.random() < self.weather.stack_errors:
            return random.choice([throttled(0, "Throttling"), internal_error(None), unreachable()])
        return GOOD

    def _evs(self, operation: str, random: Random, *, may_be_lost: bool) -> Fate:
        weather, lot = self.weather, random.random()
        if (lot := lot - weather.throttled) < 0:
            return throttled(weather.asks_to_wait if random.random() < 0.3 else 0)
        if (lot := lot - weather.errors) < 0:
            return internal_error(None)
        if lot - weather.broken < 0:
            return unreachable()
        if operation in READS:
            if random.random() < weather.not_found_once:
                return not_found(self.environment_id)
            return broken(None) if random.random() < weather.lost / 4 else GOOD
        lot = random.random()
        if may_be_lost and (lot := lot - weather.lost) < 0:
            late = random.random() < weather.lands_late
            if random.random() < 0.3:
                return internal_error(random.uniform(0, FAULT_LANDS) if late else 0.0)
            return broken(random.uniform(0, LANDS) if late else random.choice([0.0, 0.0, None]))
        if may_be_lost and (lot := lot - weather.silent) < 0:
            late = random.random() < weather.lands_late
            return silence(random.uniform(0, LANDS) if late else random.choice([0.0, None]))
        if lot - weather.late_answers < 0:
            return Fate("late answer", 0.0, late=random.uniform(0.5, 10.0))
        return GOOD

    def _connectors(self, random: Random) -> Fate:
        """Return what becomes of a question that is asked once: it may be refused, late, or never answered."""
        weather, lot = self.weather, random.random()
        if (lot := lot - weather.throttled) < 0:
            return throttled(weather.asks_to_wait)
        if (lot := lot - weather.broken) < 0:
            return unreachable()
        if (lot := lot - weather.errors) < 0:
            return random.choice(
                [internal_error(None), denied(), garbage(), replace(not_found(self.environment_id), name="not found")]
            )
        if (lot := lot - weather.lost) < 0:
            return broken(None)
        if (lot := lot - weather.silent) < 0:
            return silence(None)
        if lot - weather.late_answers < 0:
            return Fate("late answer", 0.0, late=random.uniform(0.5, 20.0))
        return GOOD

    def _dynamodb(self, operation: str, random: Random) -> Fate:
        weather, lot = self.weather, random.random()
        if (lot := lot - weather.ledger_throttled) < 0:
            return throttled(0, "ProvisionedThroughputExceededException")
        if (lot := lot - weather.ledger_errors) < 0:
            return random.choice([internal_error(None), unreachable()])
        if operation not in READS and lot - weather.ledger_lost < 0:
            return random.choice([internal_error(0.0), broken(0.0), silence(0.0)])
        return GOOD
