"""Carries out the rule of removal: what is owned and in no set is removed; nothing else ever is.

Owns DeleteEntitlement. Before each call the ledger is asked once more, in the same write that announces the call,
whether the batch is still in no set. What was adopted is removed only where it is certain that the adopting stack
operation completed, else it is given back: left entitled, out of the ledger, logged.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

from .aws import AwsError, Denied, NotFound, Refused, Throttled, Unanswered
from .errors import Failure, LedgerFailure
from .evs import LANDS_WITHIN, SEND_WITHIN, Rows, TooLate, named
from .landing import Landing
from .ledger import Flight, Holding, State, VmIds
from .log import logger
from .properties import Connector
from .text import batches, some
from .turn import Turn

#: A deletion that EVS took and that the list does not show yet is awaited for so long, in seconds, by others.
ANSWERED_LANDS_WITHIN = 300.0
#: The same deletion is asked for again after so many seconds.
ASK_AGAIN = 25.0
#: A refusal to delete an entitlement that is held and settled is final after so many seconds.
REFUSED_FOR = 60.0
#: What other requests left at another connector is given so many seconds.
ELSEWHERE = 120.0
#: For this share of the time, rows that are CREATING are waited for before a deletion is tried all the same.
SETTLE = 0.7


@dataclass(frozen=True)
class Left:
    """What could not be removed, and stays in the ledger: VM id -> why it is still held."""

    connector: Connector
    vm_ids: dict[str, str]


def remove_all(turn: Turn, until: float, first: Connector | None) -> list[Left]:
    """Apply the rule of removal at every connector, until a time in epoch seconds; return what is left.

    What the request is about comes `first`; what others left elsewhere must not use up its time.
    """
    left: list[Left] = []
    for connector in sorted(turn.state.to_remove(), key=lambda one: (one != first, one)):
        limit = until if connector == first or first is None else min(until, turn.clock.now() + ELSEWHERE)
        if turn.empty:
            # What is known to be empty is written down while it is fresh.
            turn.write(lambda state: state)
        removal = _Removal(turn, connector, limit)
        try:
            removal.run()
        except LedgerFailure:
            raise
        except (AwsError, Failure) as error:
            for vm_id in removal.targets():
                removal.left.setdefault(vm_id, str(error))
        if removal.left:
            left.append(Left(connector, removal.left))
    return left


class _Removal:
    """Removal at one connector."""

    def __init__(self, turn: Turn, connector: Connector, until: float) -> None:
        self._turn = turn
        self._connector = connector
        self._until = until
        self._settle_by = turn.clock.now() + (until - turn.clock.now()) * SETTLE
        self.left: dict[str, str] = {}
        self._landing = Landing(turn, connector)
        self._rows: Rows = {}
        self._not_before: dict[str, float] = {}
        self._refused_since: dict[str, float] = {}
        self._certain: set[float] = set()
        self._looks = 0
        self._told = turn.clock.now()

    @property
    def _holding(self) -> Holding:
        return self._turn.state.holding(self._connector)

    def targets(self) -> VmIds:
        """Return what is still to be removed."""
        done = self._turn.seen_empty(self._connector) | self.left.keys()
        return self._turn.state.removable(self._connector) - done

    def run(self) -> None:
        """Remove, wait until it is done, and note what is left."""
        while True:
            self._give_back()
            if not (targets := self.targets()):
                return
            try:
                self._round(targets)
            except NotFound:
                # The environment or the connector is gone, and every entitlement of it.
                self._empty(self.targets())
                return
            if not self.targets():
                return
            if self._turn.clock.now() >= self._until:
                creating = self._landing.creating()
                for vm_id in self.targets():
                    if (row := self._rows.get(vm_id)) is not None:
                        self.left[vm_id] = f"still {row.status}"
                    elif vm_id in creating:
                        self.left[vm_id] = "a call to create it may still take effect"
                return
            self._wait()

    def _round(self, targets: VmIds) -> None:
        now = self._turn.clock.now()
        self._rows, empty = self._landing.look(targets, self._until)
        self._looks += 1
        self._empty(empty)
        self._delete(self._ready(now))

    def _wait(self) -> None:
        now = self._turn.clock.now()
        if now - self._told >= 10:
            self._told = now
            logger.info("%s still to be removed", f"{len(self.targets()):,}")
        # What was seen, and what is in the air, is known to others before time passes.
        self._turn.write(lambda state: state)
        pause = min(1.0 * 1.3 ** min(self._looks - 1, 12), 15.0, max(self._until - now, 0.1))
        if now < self._settle_by:
            # What is still CREATING then is deleted all the same, while there is time to see what comes of it.
            pause = min(pause, max(self._settle_by - now, 0.1))
        self._turn.clock.pause(pause)
        # Another request may have declared some of them since.
        self._turn.reload()

    def _empty(self, vm_ids: Iterable[str]) -> None:
        found = frozenset(vm_ids)
        if found:
            self._turn.note_empty(self._connector, found)
            self._arrive()

    # --- adopted ---------------------------------------------------------------------------------------------------

    def _give_back(self) -> None:
        adopted = self._holding.adopted
        moments = {adopted[vm_id].at for vm_id in self.targets() & adopted.keys()} - self._certain
        now = self._turn.clock.now()
        self._certain |= {moment for moment in moments if self._turn.stack.completed_since(moment, now)}
        uncertain = moments - self._certain
        if not uncertain:
            return

        def give_back(state: State) -> State:
            holding = state.holding(self._connector)
            given = frozenset(
                vm_id
                for vm_id in state.removable(self._connector) & holding.adopted.keys()
                if holding.adopted[vm_id].at in uncertain
            )
            return state.hold(self._connector, holding.disown(given))

        before = self.targets()
        self._turn.write(give_back)
        logger.warning(
            "given back, left entitled: %s at %s: this stack had adopted them in an operation that is not known to "
            "have completed", some(before - self.targets(), 100), self._connector,
        )  # fmt: skip

    # --- deleting --------------------------------------------------------------------------------------------------

    def _ready(self, now: float) -> list[str]:
        waits_for_creation = now < self._settle_by
        return [
            vm_id
            for vm_id in self.targets() & self._rows.keys()
            if self._not_before.get(vm_id, 0.0) <= now and not (self._rows[vm_id].creating and waits_for_creation)
        ]

    def _delete(self, vm_ids: list[str]) -> None:
        queue = deque(batches(vm_ids))
        while queue and self._turn.clock.now() < self._until:
            self._ask(queue.popleft(), queue)

    def _ask(self, batch: tuple[str, ...], queue: "deque[tuple[str, ...]]") -> None:
        turn = self._turn
        turn.clock.room_for_a_call()
        # From before the write: time that passes in between counts, too.
        departure = turn.clock.now()
        wanted = self._announce(frozenset(batch), departure)
        if not wanted:
            return
        batch = batches(wanted)[0]
        try:
            answered = turn.evs.delete(self._connector, batch, departure + min(turn.send_within, SEND_WITHIN))
        except TooLate:
            turn.held_up()
            self._arrive()
            queue.appendleft(batch)
        except Unanswered as error:
            self._landing.flights.append(turn.depart(wanted, error.lands_within))
            self._arrive()
            turn.patience.endure(error, self._until)
        except (Throttled, Denied) as error:
            self._arrive()
            turn.patience.endure(error, self._until)
            queue.appendleft(batch)
        except (NotFound, Refused) as error:
            self._arrive()
            self._take_apart(error, batch, queue)
        else:
            turn.patience.fine()
            logger.info("DeleteEntitlement at %s: %s", self._connector, ", ".join(batch))
            self._landing.asked |= wanted
            gone = {vm_id for vm_id, row in answered.items() if row.gone}
            self._empty(gone & wanted - self._landing.pending())
            awaited = self.targets() & wanted
            # One that has gone may come again, by an older call: then there is no reason to wait.
            self._not_before.update(dict.fromkeys(awaited - gone, turn.clock.now() + ASK_AGAIN))
            if awaited:
                self._landing.flights.append(turn.depart(awaited, ANSWERED_LANDS_WITHIN, answered=True))
            self._arrive()

    def _announce(self, batch: VmIds, departure: float) -> VmIds:
        """Tell the ledger that a batch is about to be deleted; return what of it may be."""
        turn, connector = self._turn, self._connector
        done = turn.seen_empty(connector)
        wanted = batch

        def announce(state: State) -> State:
            nonlocal wanted
            adopted = state.holding(connector).adopted
            unjudged = {vm_id for vm_id in batch & adopted.keys() if adopted[vm_id].at not in self._certain}
            wanted = (state.removable(connector) & batch) - done - unjudged
            flight = (Flight(wanted, departure + LANDS_WITHIN, turn.by),) if wanted else ()
            turn.removing[connector] = (*self._in_flight(), *flight)
            return state

        try:
            turn.write(announce)
        except BaseException:
            self._arrive()
            raise
        return wanted

    def _in_flight(self) -> tuple[Flight, ...]:
        """Return what is in the air: calls without an answer, and answered ones whose effect is awaited."""
        targets, now = self.targets(), self._turn.clock.now()
        awaited = (
            replace(flight, vm_ids=flight.vm_ids & targets) if flight.answered else flight
            for flight in self._landing.flights
        )
        return tuple(flight for flight in awaited if flight.vm_ids and flight.until > now)

    def _arrive(self) -> None:
        self._turn.removing[self._connector] = self._in_flight()

    def _take_apart(self, error: NotFound | Refused, batch: tuple[str, ...], queue: "deque[tuple[str, ...]]") -> None:
        """One VM of a batch is refused: the others still go."""
        guilty = named(error, batch)
        if guilty or len(batch) == 1:
            self._refused(guilty or {batch[0]: f"{error.code}: {error.message}"})
            queue.extendleft(batches(vm_id for vm_id in batch if guilty and vm_id not in guilty))
        else:
            middle = len(batch) // 2
            queue.extendleft([batch[middle:], batch[:middle]])

    def _refused(self, guilty: dict[str, str]) -> None:
        pending, now = self._landing.pending(), self._turn.clock.now()
        for vm_id, cause in guilty.items():
            # As of the look before the call; if that has changed since, the next one tells.
            row = self._rows.get(vm_id)
            if vm_id not in pending and (row is None or not row.held):
                # Failed, removed by EVS, or gone: there is nothing to pay for, and EVS will not have it deleted.
                self._empty([vm_id])
            elif row and not row.creating and now - self._refused_since.setdefault(vm_id, now) > REFUSED_FOR:
                self.left[vm_id] = cause
            else:
                self._not_before[vm_id] = now + 3.0
