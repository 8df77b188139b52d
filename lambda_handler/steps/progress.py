"""What has become of each VM of a Create or Update so far. The one place where that is kept; questions don't write.

Nothing here calls anything.
"""

from collections.abc import Iterable, Mapping

from ..evs.rows import Row, Rows, Status
from ..text import causes, count
from ..values import NO_VMS, VmIds

_SOMEBODY_ELSES = "Conflict: somebody else has entitled it in the meantime"


class Progress:
    """The VMs of one request at one connector.

    Args:
        rows: what EVS lists.
        failed: VM id -> cause, from an invocation before; goes on being written here.
        awaited: VMs that other invocations have called for: until when they are awaited (epoch seconds).
        times_taken: VMs that were nobody's and that EVS has taken from this request, in all invocations: how often; 0
            where it may have. Goes on being written here.

    Attributes:
        rows: the newest known row of each VM, be it of the list or of an answer.
        failed: VM id -> cause, of those that could not be entitled.
        untried: VMs for which no call was made any more, since so many were refused.
        adopted: VMs that somebody else has entitled, and that are to be taken over.
        restored: VMs that were ours before. They are declared: what is made of them is not undone.
    """

    def __init__(
        self,
        rows: Rows,
        failed: dict[str, str],
        awaited: Mapping[str, float],
        adopted: VmIds = NO_VMS,
        times_taken: dict[str, int] | None = None,
    ) -> None:
        self.rows = rows
        self.failed = failed
        self.untried: VmIds = NO_VMS
        self.adopted: VmIds = adopted
        self.restored: VmIds = NO_VMS
        self._times_taken: dict[str, int] = {} if times_taken is None else times_taken
        #: When a VM that is not listed is called for again, in epoch seconds.
        self._awaited: dict[str, float] = dict(awaited)
        #: VMs that EVS has taken, and that the list has not shown since.
        self._unlisted: VmIds = NO_VMS
        #: When this invocation last had a VM taken, in epoch seconds.
        self._taken_at: dict[str, float] = {}
        #: The row that a VM had before its call: the list may still show it for a while.
        self._former: Rows = {vm_id: rows.pop(vm_id) for vm_id in awaited if vm_id in rows}

    # --- what happens ----------------------------------------------------------------------------------------------

    def took(self, vm_ids: VmIds, answered: Rows, now: float, list_lag: float) -> None:
        """Note that EVS took a call."""
        for vm_id in vm_ids - self.restored:
            self._times_taken[vm_id] = self._times_taken.get(vm_id, 0) + 1
        for vm_id in vm_ids:
            if (former := self.rows.get(vm_id)) is not None:
                self._former[vm_id] = former
            self.rows[vm_id] = answered.get(vm_id) or Row(vm_id, Status.CREATING)
            self._taken_at[vm_id] = now
            self._awaited[vm_id] = now + list_lag
        self._unlisted |= vm_ids

    def may_have_made(self, vm_ids: VmIds) -> None:
        """Note VMs of a call of which nobody knows what became."""
        for vm_id in vm_ids - self.restored:
            self._times_taken.setdefault(vm_id, 0)

    def saw(self, rows: Rows, now: float) -> VmIds:
        """Note what the list shows now; return the VMs of which it says something that was not so before their call."""
        news = set()
        for vm_id, row in rows.items():
            is_called_here = vm_id in self._taken_at
            is_early = not is_called_here or now < self._awaited.get(vm_id, 0.0)
            if row == self._former.get(vm_id) and is_early:
                continue
            self.rows[vm_id] = row
            news.add(vm_id)
        self._unlisted -= news
        return frozenset(news)

    def fail(self, failed: Mapping[str, str]) -> None:
        """Note VMs that could not be entitled: VM id -> cause."""
        self.failed.update(failed)

    def leave_untried(self, vm_ids: Iterable[str]) -> None:
        """Note VMs that are not called for any more."""
        self.untried |= frozenset(vm_ids)

    def found_somebody_elses(self, vm_ids: VmIds, until: float, *, adopt: bool) -> None:
        """Note VMs that are somebody else's after all, and until when the list may not show that (epoch seconds)."""
        for vm_id in vm_ids:
            self._times_taken.pop(vm_id, None)
        if adopt:
            self.adopted |= vm_ids
            self._awaited |= dict.fromkeys(vm_ids, until)
        else:
            self.fail(dict.fromkeys(vm_ids, _SOMEBODY_ELSES))

    def settle(self, required: VmIds) -> None:
        """Count as failed what EVS says has failed."""
        for vm_id in required - self.failed.keys() - self.untried:
            row = self.rows.get(vm_id)
            if row is None or row.is_entitled or row.is_unsettled or row.is_gone:
                continue
            if not self._is_adopted_as_it_is(vm_id, row):
                self.failed[vm_id] = row.cause

    # --- questions -------------------------------------------------------------------------------------------------

    @property
    def made(self) -> VmIds:
        """VMs that were nobody's and that EVS has taken, or may have, from this request."""
        return frozenset(self._times_taken)

    def taken_twice(self, vm_ids: Iterable[str]) -> VmIds:
        """Return the VMs that EVS has taken twice: it is not asked a third time."""
        return frozenset(vm_id for vm_id in vm_ids if self._times_taken.get(vm_id, 0) > 1)

    def outstanding(self, required: VmIds) -> VmIds:
        """Return the required VMs that are neither entitled nor failed."""
        return frozenset(
            vm_id
            for vm_id in required - self.failed.keys() - self.untried
            if (row := self.rows.get(vm_id)) is None or not (row.is_entitled or self._is_adopted_as_it_is(vm_id, row))
        )

    def _is_adopted_as_it_is(self, vm_id: str, row: Row) -> bool:
        """Tell whether EVS has removed what is to be adopted: it gives that back by itself, so nobody waits for it."""
        return vm_id in self.adopted and row.status is Status.ENTITLEMENT_REMOVED

    def unlisted(self, required: VmIds) -> VmIds:
        """Return the required VMs that only EVS's answers say to be entitled."""
        return required & self._unlisted - self.failed.keys()

    def overdue(self, vm_ids: VmIds, now: float) -> VmIds:
        """Return, of VMs that a look at all pages did not show, those that had time enough to show."""
        return frozenset(vm_id for vm_id in vm_ids if now >= self._awaited.get(vm_id, 0.0))

    def last_taken_at(self, otherwise: float) -> float:
        """Return when EVS last took a call of this invocation, in epoch seconds."""
        return max(self._taken_at.values(), default=otherwise)

    def missing(self, required: VmIds) -> bool:
        """Tell whether any required VM could not be entitled."""
        return bool((self.failed.keys() | self.untried) & required)

    def so_far(self) -> str:
        """Say how many have failed by now, and why; nothing where none has."""
        return f"{count(len(self.failed))} could not be entitled: {causes(self.failed)}" if self.failed else ""

    def report(self, required: VmIds) -> str:
        """Say how many of the required VMs failed, and why."""
        failed = {vm_id: cause for vm_id, cause in self.failed.items() if vm_id in required}
        untried = f" ({len(self.untried):,} not tried)" if self.untried else ""
        return f"{len(failed):,} of {count(len(required))} could not be entitled{untried}: {causes(failed)}"
