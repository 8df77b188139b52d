"""One run of the monitor: for each environment and connector look, write the metrics, tell of changes.

Owns the order of a run, and that one place that can't be looked at hides no other. What could not be found out makes no
metric: a zero would be a lie. The run then fails, and the alarm on runs that fail or do not come tells of it.
"""

import json
import os
import sys
from dataclasses import replace
from datetime import datetime
from typing import TextIO

from evs_health.assessment import Assessment
from evs_health.connectors import Connector as Health

from ..aws.calls import AwsError
from ..aws.retries import Retries
from ..clock import Clock, LambdaContext
from ..cloudformation.log import set_up
from ..errors import Failure, HandOver
from ..evs.api import Evs
from ..ledger.state import State
from ..ledger.table import LedgerTable
from ..log import logger
from ..pace import Pace
from ..platform import InvocationClients, Platform
from ..text import count
from ..values import Connector, VmIds
from . import words
from .changes import Change, changes, remembered, standings
from .declared import Expected, both, expected, places
from .look import Looks, judged
from .memory import Conflict, Event, Memory, MemoryTable
from .metrics import is_reachable, metric_line
from .post import Post

#: The function's environment: the ledger's table, the monitor's own, the stack, and where the template declares.
LEDGER_TABLE_NAME, MEMORY_TABLE_NAME, STACK_ID, PLACES = (
    "LEDGER_TABLE_NAME",
    "MONITOR_TABLE_NAME",
    "STACK_ID",
    "PLACES",
)
#: ... and which values are to be metrics, separated by commas; all where it is missing.
METRICS = "METRICS"
#: A run is repeated in some minutes: trouble is ridden out for less.
PACE = Pace(trouble_for=40.0, slowest_retry=5.0, denied_for=5.0, read_most=10.0)
_CANNOT = (AwsError, Failure, HandOver)


class NotFoundOut(Exception):
    """Some of what the run was for could not be found out; the text says what and why."""


def run(context: LambdaContext, platform: Platform, pace: Pace = PACE, out: TextIO | None = None) -> None:
    """Look once at all places.

    Args:
        out: where the lines of metrics go; standard output when left out.

    Raises:
        NotFoundOut: something could not be found out. All else was told.
    """
    set_up({"StackId": os.environ[STACK_ID]}, context.aws_request_id)
    _Run(context, platform, pace, out or sys.stdout).all()


class _Run:
    def __init__(self, context: LambdaContext, platform: Platform, pace: Pace, out: TextIO) -> None:
        self._clock = clock = Clock(context, platform, pace)
        self._pace = pace
        self._out = out
        self._stack_id = os.environ[STACK_ID]
        self._metrics = tuple(filter(None, os.environ.get(METRICS, "").split(",")))
        self._until = clock.now() + clock.remaining()
        self._failed: list[str] = []
        clients = InvocationClients(platform, clock)
        # Each service has its own: that one answers says nothing of another.
        self._ledger = LedgerTable(clients, self._retries(), os.environ[LEDGER_TABLE_NAME], self._stack_id)
        self._memories = MemoryTable(clients, self._retries(), os.environ[MEMORY_TABLE_NAME])
        self._looks = Looks(Evs(clients, clock), self._retries(), self._retries(), clock)
        self._post = Post(clients, self._retries())

    def _retries(self) -> Retries:
        return Retries(self._clock, self._pace, self._clock.now() + self._pace.denied_for)

    def all(self) -> None:
        configured = frozenset(Connector(*place) for place in json.loads(os.environ[PLACES]))
        try:
            self._ledger.load(self._until)
        except _CANNOT as error:
            raise NotFoundOut(f"what is declared: {error}") from None
        for place in places(self._ledger.state, configured):
            try:
                self._look(place)
            except Conflict:
                logger.info("another run tells of the changes at %s", place)
            except _CANNOT as error:
                self._note(f"{place}: {error}")
        if self._failed:
            raise NotFoundOut("; ".join(self._failed))

    def _note(self, what: str) -> None:
        logger.error("not found out: %s", what)
        self._failed.append(what)

    def _look(self, place: Connector) -> None:
        before = self._expected(place)
        rows = self._looks.rows(place, before, self._until)
        self._ledger.load(self._until)
        found, at = both(before, self._expected(place)), self._clock.now()
        assessment = judged(rows, found)
        health, is_listed = self._connector(place)
        reachable = False if health is None and is_listed else is_reachable(health)
        self._out.write(metric_line(at, place, assessment, reachable, self._stack_id, self._metrics) + "\n")
        self._out.flush()
        self._tell(place, assessment, found.moving, health, is_listed, at)

    def _expected(self, place: Connector) -> Expected:
        """Return what the ledger expects.

        Raises:
            Failure: the ledger was lost: it is as if it had never been written, though VMs were declared before.
        """
        state = self._ledger.state
        if state == State() and (lost := len(self._memories.load(place, self._until).seen)):
            raise Failure(
                f"the ledger is empty, though {count(lost)} were declared before. Restore its table, or deploy the "
                "stack with a changed list of VMs, which writes it anew"
            )
        return expected(state, place, self._clock.now())

    def _connector(self, place: Connector) -> tuple[Health | None, bool]:
        try:
            return self._looks.connector(place, self._until)
        except _CANNOT as error:
            # What EVS holds is told all the same.
            self._note(f"the connectors of {place.environment_id}: {error}")
            return None, False

    def _tell(
        self, place: Connector, assessment: Assessment, moving: VmIds, health: Health | None, is_listed: bool, at: float
    ) -> None:
        connector = words.connector_words(place, health, is_listed=is_listed)
        if health is None or health.problems:
            logger.warning("%s", connector)
        memory = self._memories.load(place, self._until)
        now = standings(assessment)
        changed = changes(None if memory.is_new else memory.seen, now)
        seen = remembered(memory.seen, now, assessment.declared | moving, at)
        shown = {vm_id: one for vm_id, one in seen.items() if vm_id in assessment.declared}
        for line in words.how_it_is(assessment, shown, health, at):
            logger.warning("%s: %s", place, line)
        events = tuple(
            self._event(place, change, vm_ids, assessment, health, connector, at) for change, vm_ids in changed.items()
        )
        self._send(place, memory, replace(memory, seen=seen).posting(events))

    def _event(
        self,
        place: Connector,
        change: Change,
        vm_ids: frozenset[str],
        assessment: Assessment,
        health: Health | None,
        connector: str,
        at: float,
    ) -> Event:
        until: datetime | None = words.until_removal(change, health, at)
        told = words.message(place, change, vm_ids, assessment, connector, at, until)
        logger.warning("%s", told)
        return words.event(change, vm_ids, place, self._stack_id, assessment, health, told, at, until)

    def _send(self, place: Connector, before: Memory, memory: Memory) -> None:
        """Write down what is to be sent, send it, and cross it out.

        Raises:
            Conflict: another run has written; nothing was sent.
        """
        if memory != before or before.is_new:
            memory = self._memories.save(place, memory, self._until)
        left: list[Event] = []
        for event in memory.outbox:
            try:
                self._post.send(event, self._stack_id, self._until)
            except _CANNOT as error:
                self._note(f"an event of {place} could not be sent: {error}")
                left.append(event)
        if len(left) < len(memory.outbox):
            self._memories.save(place, replace(memory, outbox=tuple(left)), self._until)
