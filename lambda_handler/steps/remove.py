"""Carries out the rule of removal: what is ours and in no set is removed; nothing else ever is.

Owns what is believed of the list, and when a removal is done; `delete.py` has the calls. An adopted entitlement is
removed only where the adopting stack operation has certainly completed. Otherwise it is given back: it stays entitled,
leaves the ledger, and a log line says so.
"""

from dataclasses import dataclass

from ..aws.calls import AwsError, NotFound, Refused
from ..errors import Failure, LedgerFailure
from ..evs.listing import Look
from ..evs.rows import Row, Rows, Status
from ..ledger.state import State
from ..log import logger
from ..text import some
from ..values import Connector, VmIds
from .absence import may_be_missed
from .context import Context
from .delete import Deletions
from .unsettled import (
    Ours,
    asked_at,
    called_by_others,
    created_again,
    last_asked_at,
    may_be_created,
    may_be_deleted,
)

#: Progress is logged every so many seconds.
TELL_EVERY = 10.0


@dataclass(frozen=True)
class Left:
    """What could not be removed, and stays in the ledger: VM id -> why."""

    connector: Connector
    vm_ids: dict[str, str]


def remove_all(context: Context, until: float, first: Connector | None, *, is_only: bool = False) -> list[Left]:
    """Apply the rule of removal at every connector, until a time in epoch seconds; return what is left.

    Args:
        first: the connector of the request: what other requests have left elsewhere must not use up its time.
        is_only: leave other connectors alone.

    Raises:
        LedgerFailure, HandOver, Overtaken, Restart
    """
    left: list[Left] = []
    for connector in sorted(context.fence.state.to_remove(), key=lambda one: (one != first, one)):
        if is_only and connector != first:
            continue
        is_concern = connector == first or first is None or context.is_last_to_come
        since = context.carried.removing_since(connector, until, context.clock.now())
        limit = until if is_concern else min(until, since + context.pace.elsewhere)
        removal = _Removal(context, connector, since, limit)
        try:
            removal.run()
        except LedgerFailure:
            raise
        except (AwsError, Failure) as error:
            removal.leave(dict.fromkeys(removal.targets(), str(error)))
        if removal.left:
            left.append(Left(connector, removal.left))
        else:
            # What else comes to be removed there has its own time.
            context.carried.removing.pop(connector, None)
    return left


class _Removal(Deletions):
    """Removal at one connector."""

    def __init__(self, context: Context, connector: Connector, since: float, until: float) -> None:
        super().__init__(context, connector, since, until)
        self._looks = 0
        self._told = context.clock.now()

    def run(self) -> None:
        """Remove, wait until it is done, and note what is left."""
        while True:
            self._give_back()
            if not self.targets():
                return
            claims = self._fence.state.claims
            look = self._look()
            if look is None:
                # The environment or the connector is gone, and every entitlement of it.
                self.drop(self.targets())
                return
            self._judge(look, claims)
            self.delete(look)
            if not self.targets():
                return
            if self._context.clock.now() >= self._until:
                self._leave_rest()
                return
            self._wait()

    def _look(self) -> Look | None:
        """Look; None where there is nothing any more to look at."""
        carried, clock = self._context.carried, self._context.clock
        while True:
            try:
                look = self._context.listing.look(self._connector, self._until)
            except NotFound:
                return None
            except Refused as error:
                # As EVS may while the environment is being deleted.
                now = clock.now()
                since = carried.list_refused_since.setdefault(self._connector, now)
                if now - since > self._context.pace.list_refused_for or now >= self._until:
                    raise
                logger.warning("%s; trying again", error)
                clock.pause(min(10.0, max(self._until - now, 0.1)))
            else:
                carried.list_refused_since.pop(self._connector, None)
                self._looks += 1
                return look

    # --- what the list says ----------------------------------------------------------------------------------------

    def _judge(self, look: Look, claims: int) -> None:
        """Learn from a look what is ours, what is somebody else's, and what holds nothing for certain."""
        fence, connector = self._fence, self._connector
        foreign = self._somebody_elses(look)
        if foreign:
            # Another resource of this stack may have created them since the ledger was read: it says so before.
            fence.reload()
            foreign = self._somebody_elses(look)
        targets = self.targets()
        if foreign:
            logger.warning("left entitled, somebody else's: %s at %s", some(foreign, 100), connector)
            fence.disown(connector, foreign)
        rows = {vm_id: row for vm_id, row in self._listed(look).items() if vm_id not in foreign}
        asked = asked_at(fence.state, connector)
        unheard = called_by_others(fence.state, connector, fence.invocation, look.began - self._context.pace.others_for)
        fence.confirm(connector, Ours(fence.state, connector).shown(look.rows, targets - foreign - unheard))
        pending = may_be_created(fence.state, connector, look.began) | may_be_deleted(
            fence.state, connector, look.began
        )
        absent = targets - rows.keys() - foreign
        ended = {vm_id for vm_id in rows.keys() & asked.keys() if self._is_over(rows[vm_id], look.began - asked[vm_id])}
        # Looks that could not show a creation yet prove nothing. After a certain deletion one look is enough.
        shown = absent - may_be_created(fence.state, connector, look.began)
        doubted = may_be_missed(self._context, connector, shown, fence.state.claims) - (asked.keys() & self._heard)
        fence.forget(connector, ((absent - doubted) | ended) - pending, look.began, claims)
        self._rows = rows

    def _is_over(self, row: Row, asked_for: float) -> bool:
        """Tell whether a row holds nothing any more, though EVS goes on listing it after so many seconds.

        What had failed, EVS does not give back. What it has removed it may, unless it has certainly taken the deletion.
        A list that still shows it when it can lag no more keeps it as history.
        """
        if row.status is not Status.ENTITLEMENT_REMOVED:
            return row.status is Status.CREATE_FAILED
        return asked_for >= self._context.pace.list_lag and row.vm_id in self._context.carried.ended

    def _listed(self, look: Look) -> Rows:
        """Return the rows of what is to be removed."""
        rows = ((vm_id, look.rows.get(vm_id)) for vm_id in self.targets())
        return {vm_id: row for vm_id, row in rows if row is not None and not row.is_gone}

    def _somebody_elses(self, look: Look) -> VmIds:
        """Return the VMs that somebody else has entitled, by what the ledger says of calls of ours."""
        state, connector, rows = self._fence.state, self._connector, self._listed(look)
        pending = may_be_created(state, connector, look.began) | may_be_deleted(state, connector, look.began)
        # Begun after a deletion of ours, and no call of ours is left that explains it.
        deleted = last_asked_at(state, connector, look.began)
        renewed = {
            vm_id
            for vm_id, row in rows.items()
            if row.may_be_held and vm_id in deleted and vm_id not in pending and row.began_after(deleted[vm_id])
        } - created_again(state, connector, deleted, rows)
        return Ours(state, connector).others_in(rows.values()) | renewed

    def _leave_rest(self) -> None:
        may_come = may_be_created(self._fence.state, self._connector, self._context.clock.now())
        if self._until >= self._context.answer_by:
            self._drop_refused(self.targets() - may_come)
        for vm_id in self.targets():
            if (row := self._rows.get(vm_id)) is not None:
                self.left[vm_id] = f"still {row.word}"
            elif vm_id in may_come:
                self.left[vm_id] = "a call to create it may still take effect"
            elif vm_id in self._context.carried.missed.get(self._connector, ()):
                self.left[vm_id] = "not listed, but not for long enough to be sure"

    def _drop_refused(self, vm_ids: VmIds) -> None:
        """Forget what had failed, or EVS had removed, and what EVS refuses to delete to the end of the time."""
        carried = self._context.carried
        refused = carried.refused_since.keys() | carried.under_way.keys() | self._not_before.keys()
        refused |= asked_at(self._fence.state, self._connector).keys()
        if ended := vm_ids & refused & {vm_id for vm_id, row in self._rows.items() if not row.may_be_held}:
            logger.warning("EVS has not deleted %s, where there is nothing to pay for", some(ended, 100))
            self.drop(ended)

    def _wait(self) -> None:
        context, now = self._context, self._context.clock.now()
        if now - self._told >= TELL_EVERY:
            self._told = now
            logger.info("%s still to be removed", f"{len(self.targets()):,}")
        # What was seen, and what is in the air, is known to others before time passes.
        self._fence.write()
        pause = min(1.0 * 1.3 ** min(self._looks - 1, 12), 15.0, max(self._until - now, 0.1))
        if now < self._settle_by:
            # What is still CREATING then is deleted all the same, while there is time to see what comes of it.
            pause = min(pause, max(self._settle_by - now, 0.1))
        context.clock.pause(pause)
        # Another request may have declared some of them since.
        self._fence.reload()

    # --- adopted ---------------------------------------------------------------------------------------------------

    def _give_back(self) -> None:
        adopted = self._fence.state.holding(self._connector).adopted
        moments = {adopted[vm_id].at for vm_id in self.targets() & adopted.keys()} - self._completed
        now = self._context.clock.now()
        self._completed |= {moment for moment in moments if self._context.stack.completed_since(moment, now)}
        uncertain = moments - self._completed
        if not uncertain:
            return

        def give_back(state: State) -> State:
            adopted = state.holding(self._connector).adopted
            given = {
                vm_id for vm_id in state.removable(self._connector) & adopted.keys() if adopted[vm_id].at in uncertain
            }
            return state.disown(self._connector, frozenset(given))

        before = self.targets()
        self._fence.write(give_back)
        logger.warning(
            "given back, left entitled: %s at %s: this stack had adopted them in an operation that is not known to "
            "have completed",
            some(before - self.targets(), 100),
            self._connector,
        )
