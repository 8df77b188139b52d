"""Creates what a plan asks for.

Owns batches and refusals; never removes anything. Before each CreateEntitlement the ledger claims the
batch, with the time until which that call may take effect. An answer that never came is no failure and no reason to
call blindly again: look first. A refused batch is taken apart until the refused VMs are known one by one.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from .aws import AwsError, Denied, NotFound, Refused, Throttled, Unanswered
from .errors import Failure
from .evs import LANDS_WITHIN, SEND_WITHIN, Row, Rows, TooLate, named
from .ledger import NONE, Flight, State, VmIds
from .log import logger
from .look import LIST_LAG, looked, not_found
from .properties import Connector
from .text import batches, causes, count, some
from .turn import Turn

#: So many seconds after a refusal that an unanswered call of ours may explain, the VMs are tried again.
DOUBT = 5.0
#: While a refused batch is narrowed down, a look serves for so many seconds.
NARROWING = 30.0
#: So many refusals are looked into, each for one VM or those that it names; the request fails for the first, and the
#: user has seen enough to act on.
MOST_SINGLED_OUT = 50


class Entitling:
    """Creation at one connector.

    Attributes
    ----------
    failed
        VM id -> cause, of those that could not be entitled.
    rows
        The newest known row of each VM.
    untried
        VMs for which no call was made any more, since so many were refused.
    made
        VMs that were nobody's and for which this invocation has called, whatever became of it.
    adopted
        VMs that somebody else has entitled since the plan was made, and that are to be taken over.
    made_at
        When, in epoch seconds, EVS took the call for a VM, or a look showed it held.
    former
        The row that a VM had before that: the list may still show it for a while.
    """

    def __init__(
        self, turn: Turn, connector: Connector, rows: Rows, failed: dict[str, str], *, adopt_existing: bool = False
    ) -> None:
        self._turn = turn
        self._connector = connector
        self._where = (connector.environment_id, connector.connector_id)
        self.rows = rows
        self.failed = failed
        self.untried: VmIds = NONE
        self.adopted: VmIds = NONE
        self.made: set[str] = set()
        self.made_at: dict[str, float] = {}
        self.former: Rows = {}
        self._adopt_existing = adopt_existing
        self._singled_out = 0
        self._seen: Rows = {}
        self._looked_at = 0.0
        self._flights: list[Flight] = []
        self._seen_lost: set[str] = set()
        self._fresh: set[str] = set()

    # --- creating --------------------------------------------------------------------------------------------------

    def create(self, vm_ids: VmIds) -> None:
        """Call CreateEntitlement for VMs, at most 100 a call, until each is taken or refused.

        Raises
        ------
        Failure
            Environment or connector unknown, access denied, or EVS out of reach for too long.
        """
        queue = deque(batches(vm_ids - self.failed.keys()))
        while queue:
            if self._singled_out >= MOST_SINGLED_OUT:
                self.untried |= NONE.union(*queue)
                return
            self._take(queue.popleft(), queue)

    def _take(self, batch: tuple[str, ...], queue: "deque[tuple[str, ...]]") -> None:
        turn = self._turn
        turn.clock.room_for_a_call()
        # From before the write: time that passes in between counts, too.
        departure = turn.clock.now()
        if departure >= turn.work_by:
            raise Failure(f"time is up: {count(len(batch))} not created yet: {some(batch)}. {self.so_far()}".rstrip())
        self._claim(frozenset(batch), departure)
        self.made |= self._fresh.intersection(batch)
        send_by = departure + min(turn.send_within, SEND_WITHIN)
        try:
            answered = turn.evs.create(self._connector, batch, send_by)
        except TooLate:
            turn.held_up()
            self._arrive()
            queue.appendleft(batch)
        except Unanswered as error:
            self._lose(batch, error)
            self._endure(error)
            queue.extendleft(reversed(batches(self._not_held(batch))))
        except (Throttled, Denied) as error:
            self._arrive()
            self._endure(error)
            queue.appendleft(batch)
        except (NotFound, Refused) as error:
            self._arrive()
            if isinstance(error, NotFound) and error.resource_id in self._where:
                raise not_found(error, self._connector) from error
            self._take_apart(error, batch, queue)
        else:
            # The list may lag behind: for a while, that a VM is not on it means nothing. And an entitlement that it
            # shows is no sign, then, that another call for the VM, which was never answered, has taken effect.
            self._flights.append(turn.depart(frozenset(batch), self._lag(frozenset(batch)), answered=True))
            self._arrive()
            turn.patience.fine()
            logger.info("CreateEntitlement at %s: %s", self._connector, ", ".join(batch))
            self._made(batch, answered)

    def _lag(self, batch: VmIds) -> float:
        now, by = self._turn.clock.now(), self._turn.by
        of_others = (one for one in self._turn.state.holding(self._connector).creating if one.by != by)
        unanswered = (one for one in (*self._flights, *of_others) if not one.answered and one.vm_ids & batch)
        return max([LIST_LAG, *(one.until - now for one in unanswered)])

    def _made(self, batch: tuple[str, ...], answered: Rows) -> None:
        now = self._turn.clock.now()
        for vm_id in batch:
            if (former := self.rows.get(vm_id)) is not None:
                self.former[vm_id] = former
            self.rows[vm_id] = answered.get(vm_id) or Row(vm_id, "CREATING")
            self.made_at[vm_id] = now

    def _claim(self, vm_ids: VmIds, departure: float) -> None:
        turn, connector = self._turn, self._connector
        flight = Flight(vm_ids, departure + LANDS_WITHIN, turn.by)
        turn.creating[connector] = (*self._in_flight(), flight)

        def claim(state: State) -> State:
            holding = state.holding(connector)
            self._fresh |= vm_ids - holding.owned
            if flight in holding.creating:
                return state  # the answer to this very write was lost
            return replace(state.hold(connector, holding.own(vm_ids)), claims=state.claims + 1)

        try:
            turn.write(claim)
        except BaseException:
            self._arrive()
            raise

    def _in_flight(self) -> tuple[Flight, ...]:
        now = self._turn.clock.now()
        self._flights = [flight for flight in self._flights if flight.until > now]
        return tuple(self._flights)

    def _arrive(self) -> None:
        """Note that the call was answered, or never left: it can take no effect later."""
        self._turn.creating[self._connector] = self._in_flight()

    def _lose(self, batch: tuple[str, ...], error: Unanswered) -> None:
        self._flights.append(self._turn.depart(frozenset(batch), error.lands_within))
        self._seen_lost.update(batch)
        self._arrive()

    def _endure(self, error: AwsError) -> None:
        try:
            self._turn.patience.endure(error, self._turn.until)
        except AwsError:
            raise Failure(f"EVS can't be reached: {error}") from error

    def _not_held(self, batch: tuple[str, ...], within: float = 0.0) -> list[str]:
        """Look, unless the last such look was begun `within` so many seconds; return the VMs that hold nothing."""
        now = self._turn.clock.now()
        if now - self._looked_at >= within:
            self._seen, self._looked_at = self.look(), now
        rows = self._seen
        for vm_id in batch:
            if (row := rows.get(vm_id)) is not None and row.held:
                self.rows[vm_id] = row
                self.made_at[vm_id] = self._turn.clock.now()
        return [vm_id for vm_id in batch if (row := rows.get(vm_id)) is None or not row.held]

    def look(self) -> Rows:
        """Return what EVS lists now."""
        return looked(self._turn, self._connector)

    def _take_apart(self, error: NotFound | Refused, batch: tuple[str, ...], queue: "deque[tuple[str, ...]]") -> None:
        """Find out which VMs of a refused batch are the refused ones; the others go again.

        Halves of a batch that was just looked at are not looked at again until it is about single VMs: a long list is
        read once for each refused VM, not at each step on the way to it.
        """
        narrowing = len(batch) > 1 and not named(error, batch)
        rest = self._not_held(batch, within=NARROWING if narrowing else 0.0)
        held = set(batch).difference(rest)
        foreign = (held & self._fresh) - self._seen_lost
        if foreign:
            foreign -= self._of_others()
            self._disown(frozenset(foreign))
        guilty = named(error, rest)
        if self._in_doubt(guilty or rest[:1]):
            self._turn.clock.pause(DOUBT)
            self._looked_at = 0.0
            queue.extendleft(reversed(batches(rest)))
        elif guilty:
            self._singled_out += 1
            self.failed.update(guilty)
            queue.extendleft(batches(vm_id for vm_id in rest if vm_id not in guilty))
        elif held or not rest:
            queue.extendleft(batches(rest))
        elif len(rest) == 1:
            self._singled_out += 1
            self.failed[rest[0]] = f"{error.code}: {error.message}"
        else:
            middle = len(rest) // 2
            queue.extendleft([tuple(rest[middle:]), tuple(rest[:middle])])

    def _in_doubt(self, vm_ids: Iterable[str]) -> bool:
        """Tell whether VMs may be refused because a call of ours, never answered, has entitled them unseen as yet."""
        unanswered = NONE.union(*(flight.vm_ids for flight in self._in_flight() if not flight.answered))
        return not unanswered.isdisjoint(vm_ids)

    def _disown(self, foreign: VmIds) -> None:
        """Note at once that VMs are somebody else's: who goes on with this request must not take them for ours."""
        if self._adopt_existing:
            self.adopted |= foreign
        else:
            self.failed.update(dict.fromkeys(foreign, "Conflict: somebody else has entitled it in the meantime"))
        if foreign:
            connector = self._connector
            self.made -= foreign
            self._turn.write(lambda state: state.hold(connector, state.holding(connector).disown(foreign)))

    def _of_others(self) -> VmIds:
        """Return the VMs that other requests of this stack declare or are creating, as of now."""
        turn = self._turn
        turn.reload()
        others = turn.state.holding(self._connector).in_creation(turn.clock.now(), other_than=turn.by)
        return others.union(
            *(
                declared.vm_ids
                for declared in turn.state.sets.values()
                if declared.connector == self._connector and declared.request_id != turn.request.request_id
            )
        )

    # --- reporting ----------------------------------------------------------------------------------------------------

    def so_far(self) -> str:
        """Say how many have failed by now, and why; nothing where none has."""
        return f"{count(len(self.failed))} could not be entitled: {causes(self.failed)}" if self.failed else ""

    def report(self, required: VmIds) -> str:
        """Say how many of the required VMs failed, and why."""
        failed = {vm_id: cause for vm_id, cause in self.failed.items() if vm_id in required}
        untried = f" ({len(self.untried):,} not tried)" if self.untried else ""
        return f"{len(failed):,} of {count(len(required))} could not be entitled{untried}: {causes(failed)}"
