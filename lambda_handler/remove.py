"""Carries out the rule of removal: what is owned and in no set is removed; nothing else ever is.

Owns DeleteEntitlement. Before each call the ledger is asked once more, in the same write that announces the call,
whether the batch is still in no set. What was adopted is removed only where it is certain that the adopting stack
operation completed, else it is given back: left entitled, out of the ledger, logged.
"""

from collections import deque
from collections.abc import Iterable

from .aws import AwsError, Denied, NotFound, Refused, Throttled, Unanswered
from .errors import Failure, LedgerFailure
from .evs import LANDS_WITHIN, SEND_WITHIN, Rows, TooLate, named
from .ledger import NONE, Flight, State, VmIds
from .log import logger
from .properties import Connector
from .text import batches, some
from .turn import Turn

#: A deletion that EVS took and that the list does not show yet is awaited for so long, in seconds, by others.
ANSWERED_LANDS_WITHIN = 300.0
#: The same deletion is asked for again after so many seconds.
ASK_AGAIN = 30.0
#: A refusal to delete an entitlement that is held and settled is final after so many seconds.
REFUSED_FOR = 60.0
#: For this share of the time, rows that are CREATING are waited for before a deletion is tried all the same.
SETTLE = 0.7


def remove_all(turn: Turn, until: float) -> dict[str, str]:
    """Apply the rule of removal at every connector.

    Returns
    -------
    dict
        VM id -> why it is still held. Those stay in the ledger.
    """
    left: dict[str, str] = {}
    for connector in turn.state.to_remove():
        removal = _Removal(turn, connector, until)
        try:
            removal.run()
        except (AwsError, Failure) as error:
            if isinstance(error, LedgerFailure):
                raise
            for vm_id in removal.targets():
                removal.left.setdefault(vm_id, str(error))
        left.update(removal.left)
    return left


class _Removal:
    """Removal at one connector."""

    def __init__(self, turn: Turn, connector: Connector, until: float) -> None:
        self._turn = turn
        self._connector = connector
        self._until = until
        self._settle_by = turn.clock.now() + (until - turn.clock.now()) * SETTLE
        self.left: dict[str, str] = {}
        self._lost: tuple[Flight, ...] = ()
        self._not_before: dict[str, float] = {}
        self._refused_since: dict[str, float] = {}
        self._taken: set[str] = set()
        self._seen: set[str] = set()
        self._looks = 0
        self._told = turn.clock.now()

    def targets(self) -> VmIds:
        """Return what is still to be removed."""
        seen_empty = self._turn.empty.get(self._connector, NONE)
        return self._turn.state.removable(self._connector) - seen_empty - self.left.keys()

    def run(self) -> None:
        """Remove, wait until it is done, and note what is left."""
        self._give_back()
        while targets := self.targets():
            try:
                rows = self._turn.look(self._connector, self._until)
            except NotFound:
                # The environment or the connector is gone, and every entitlement of it.
                self._gone(targets)
                return
            self._looks += 1
            now = self._turn.clock.now()
            self._seen |= {vm_id for vm_id in targets if (row := rows.get(vm_id)) is not None and row.held}
            self._gone(vm_id for vm_id in targets - self._landing() if (row := rows.get(vm_id)) is None or row.gone)
            self._delete(self._ready(rows, now))
            if not self.targets():
                return
            if self._turn.clock.now() >= self._until:
                self._give_up(rows)
                return
            self._wait()

    def _landing(self) -> VmIds:
        """Return the VMs for which a call to create may still take effect: what was seen has taken one call's."""
        landings = self._turn.state.holding(self._connector).landings(self._turn.clock.now())
        return frozenset(vm_id for vm_id, calls in landings.items() if calls > (vm_id in self._seen))

    def _wait(self) -> None:
        now = self._turn.clock.now()
        if now - self._told >= 10:
            self._told = now
            logger.info("%s still to be removed", f"{len(self.targets()):,}")
        self._turn.clock.pause(min(1.0 * 1.3 ** min(self._looks - 1, 12), 15.0, max(self._until - now, 0.1)))
        # Another request may have declared some of them since.
        self._turn.reload()

    def _give_up(self, rows: Rows) -> None:
        for vm_id in self.targets():
            row = rows.get(vm_id)
            self.left[vm_id] = f"still {row.status}" if row else "a call to create it may still take effect"

    def _gone(self, vm_ids: Iterable[str]) -> None:
        turn, connector = self._turn, self._connector
        turn.empty[connector] = turn.empty.get(connector, NONE) | frozenset(vm_ids)

    # --- adopted ---------------------------------------------------------------------------------------------------

    def _give_back(self) -> None:
        adopted = self._turn.state.holding(self._connector).adopted
        moments = {adopted[vm_id].at for vm_id in self.targets() & adopted.keys()}
        uncertain = {moment for moment in moments if not self._turn.stack.completed_since(moment)}
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
        given = before - self.targets()
        logger.warning(
            "given back, left entitled: %s at %s: this stack had adopted them in an operation that is not known to "
            "have completed", some(given, 100), self._connector,
        )  # fmt: skip

    # --- deleting --------------------------------------------------------------------------------------------------

    def _ready(self, rows: Rows, now: float) -> list[str]:
        waits_for_creation = now < self._settle_by
        return [
            vm_id
            for vm_id in self.targets()
            if (row := rows.get(vm_id)) is not None
            and self._not_before.get(vm_id, 0.0) <= now
            and not (row.creating and waits_for_creation)
        ]

    def _delete(self, vm_ids: list[str]) -> None:
        queue = deque(batches(vm_ids))
        while queue:
            self._ask(queue.popleft(), queue)

    def _ask(self, batch: tuple[str, ...], queue: "deque[tuple[str, ...]]") -> None:
        turn = self._turn
        turn.clock.room_for_a_call()
        # From before the write: time that passes in between counts, too.
        departure = turn.clock.now()
        wanted = self._announce(frozenset(batch), departure + LANDS_WITHIN)
        if not wanted:
            return
        batch = batches(wanted)[0]
        try:
            answered = turn.evs.delete(self._connector, batch, departure + SEND_WITHIN)
        except TooLate:
            self._arrive()
            queue.appendleft(batch)
        except Unanswered as error:
            self._lost = (*self._lost, turn.depart(wanted, error.lands_within))
            self._arrive()
            turn.patience.endure(error, self._until)
        except (Throttled, Denied) as error:
            self._arrive()
            turn.patience.endure(error, self._until)
            queue.appendleft(batch)
        except NotFound as error:
            self._arrive()
            self._gone({error.resource_id} & wanted or wanted)
            queue.extendleft(batches(wanted - {error.resource_id}) if error.resource_id in wanted else ())
        except Refused as error:
            self._arrive()
            self._take_apart(error, batch, queue)
        else:
            turn.patience.fine()
            landing = self._landing()
            self._gone(vm_id for vm_id, row in answered.items() if row.gone and vm_id in wanted - landing)
            self._taken |= self.targets() & wanted
            self._not_before.update(dict.fromkeys(self.targets() & wanted, turn.clock.now() + ASK_AGAIN))
            self._arrive()

    def _announce(self, batch: VmIds, until: float) -> VmIds:
        """Tell the ledger that a batch is about to be deleted; return what of it may be."""
        turn, connector = self._turn, self._connector
        empty = turn.empty.get(connector, NONE)
        wanted = batch

        def announce(state: State) -> State:
            nonlocal wanted
            wanted = (state.removable(connector) & batch) - empty
            flight = Flight(wanted, until, turn.by)
            turn.removing[connector] = (*self._in_flight(), *((flight,) if wanted else ()))
            return state

        turn.write(announce)
        return wanted

    def _in_flight(self) -> tuple[Flight, ...]:
        awaited = frozenset(self._taken) & self.targets()
        if not awaited:
            return self._lost
        return (*self._lost, self._turn.depart(awaited, ANSWERED_LANDS_WITHIN, answered=True))

    def _arrive(self) -> None:
        self._turn.removing[self._connector] = self._in_flight()

    def _take_apart(self, error: Refused, batch: tuple[str, ...], queue: "deque[tuple[str, ...]]") -> None:
        """One VM of a batch is refused: the others still go."""
        guilty = named(error, batch)
        if guilty or len(batch) == 1:
            self._refused(guilty or {batch[0]: f"{error.code}: {error.message}"})
            queue.extendleft(batches(vm_id for vm_id in batch if guilty and vm_id not in guilty))
        else:
            middle = len(batch) // 2
            queue.extendleft([batch[middle:], batch[:middle]])

    def _refused(self, guilty: dict[str, str]) -> None:
        rows = self._turn.look(self._connector, self._until)
        now = self._turn.clock.now()
        for vm_id, cause in guilty.items():
            row = rows.get(vm_id)
            if row is None or not row.held:
                # Failed, removed by EVS, or gone: there is nothing to pay for, and EVS will not have it deleted.
                self._gone([vm_id])
            elif not row.creating and now - self._refused_since.setdefault(vm_id, now) > REFUSED_FOR:
                self.left[vm_id] = cause
            else:
                self._not_before[vm_id] = now + 3.0
