"""What must never happen, checked when it happens: the invariants of the product.

Owns the violations of a history. Each is judged by the truth that the models keep, not by what the handler says.
"""

from typing import TYPE_CHECKING, Any

from .declared import Declared
from .doubts import Doubts
from .expectation import allowed
from .requests import UNANSWERED, Request
from .rows import BY_HAND, Row, Where
from .stacks import Stack

if TYPE_CHECKING:
    from .world import World

#: CloudFormation's events are trusted for so long: see docs/limits.md.
MEMORY = 89 * 86400.0
#: An invocation may begin so long after its request's deadline, for the answer alone.
LAST_CHANGE = 60.0


class Judge:
    """Watches one history."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._doubts = Doubts(world)
        self.violations: list[str] = []

    def violation(self, text: str) -> None:
        """Note that something happened which must never happen."""
        self._world.story("VIOLATION:", text)
        self.violations.append(text)

    def deleting(self, row: Row, by: str) -> None:
        """Judge a deletion that EVS takes."""
        if not row.is_held:
            return
        doubts = self._doubts
        is_in_doubt = doubts.is_undecidable(row, by) or doubts.was_ended_in_doubt(row, by)
        is_in_doubt = is_in_doubt or doubts.counts_anothers(row, by)
        if row.maker != by and by not in row.adopters and not is_in_doubt:
            self.violation(f"{by} deletes the entitlement of {row.vm_id}, which {row.maker} made")
        stack = self._world.stacks[by]
        if row.vm_id in stack.declared(row.where):
            if doubts.is_forgotten(row, stack):
                return
            self.violation(f"{by} deletes the entitlement of {row.vm_id}, which it declares")
        elif (
            row.vm_id in stack.retained.get(row.where, set())
            and (row.where, row.vm_id) not in stack.ambiguous
            # What was retained has ended by hand, and this is another one.
            and not any(one.ended_by == BY_HAND for one in self._doubts.rows_of(row.where, row.vm_id))
        ):
            self.violation(f"{by} deletes the entitlement of {row.vm_id}, which was retained")

    def answered(self, request: Request, answer: dict[str, Any]) -> None:
        """Judge an answer that CloudFormation reads."""
        status, physical_id = answer["Status"], answer["PhysicalResourceId"]
        if request.overtaken:
            return
        if not physical_id:
            self.violation(f"{request}: the answer has no PhysicalResourceId")
        must_stay = request.type == "Delete" or (request.type == "Update" and status == "FAILED")
        if must_stay and physical_id != request.physical_id:
            self.violation(f"{request}: answered {physical_id} for {request.physical_id}")
        if status not in allowed(request):
            expected = " or ".join(sorted(allowed(request)))
            self.violation(f"{request}: answered {status}, expected {expected}: {answer.get('Reason', '')}")
        if status == "SUCCESS" and request.type != "Delete":
            self._is_entitled(request)

    def _is_entitled(self, request: Request) -> None:
        declared = Declared.by(request.properties)
        evs, stack = self._world.evs, request.stack
        if request.facts.is_shadowed:
            return
        # What was the stack's before is entitled again as well as it can be, and not waited for.
        for vm_id in sorted(declared.vm_ids - stack.protected(declared.where)):
            row = evs.held(declared.where, vm_id)
            if stack.has_lost_ledger and row is not None:
                continue  # a ledger that was restored may take it for the stack's from before
            is_another_stacks = self._doubts.is_another_stacks(declared.where, vm_id, stack.name)
            if is_another_stacks or self._doubts.is_ended_in_doubt(declared.where, vm_id):
                continue
            if row is not None and stack.was_unheard(declared.where, vm_id):
                continue  # the stack's from before, by an answer that nobody waited for
            by_hand = evs.touched_by_hand.get(vm_id, 0.0) >= request.issued_at
            if (row is None or row.status == "CREATING") and not by_hand:
                self.violation(f"{request}: SUCCESS, and {vm_id} is {row.status if row else 'not entitled'}")

    # --- at rest --------------------------------------------------------------------------------------------------

    def rest(self, stack: Stack) -> None:
        """Judge what a stack has left, once all is settled and calm."""
        for row in self._world.evs.all_held():
            if row.maker != stack.name and stack.name not in row.adopters:
                continue
            if row.status == "ENTITLEMENT_REMOVED" and row.is_deletion_refused:
                continue  # nothing to pay for, and EVS will not have it deleted
            vm = (row.where, row.vm_id)
            is_unsure = stack.is_unsure or self._world.clock.now - row.began > MEMORY
            may_be_given_back = (
                vm in stack.ambiguous
                or stack.may_stay(*vm, is_refused=row.is_deletion_refused)
                or self._doubts.is_left_to_nobody(stack, row)
                or (is_unsure and stack.was_unheard(*vm))
                or (is_unsure and (stack.name in row.adopters or vm in stack.ever_retained | stack.to_retain))
            )
            if row.vm_id not in stack.protected(row.where) and not stack.is_denied and not may_be_given_back:
                whose = "made" if row.maker == stack.name else "adopted"
                self.violation(f"{stack.name} has left {row.vm_id}, which it {whose}: {row.status}, paid for")
        for one in stack.believed.values():
            for vm_id in sorted(one.vm_ids):
                if self._world.evs.held(one.where, vm_id) is None:
                    self._is_lost(stack, one, vm_id)

    def _is_lost(self, stack: Stack, declared: Declared, vm_id: str) -> None:
        rows = self._doubts.rows_of(declared.where, vm_id)
        last = rows[-1] if rows else None
        is_adopted = declared.adopts or stack.has_adopted(declared.where, vm_id)
        if last is not None and is_adopted and last.ended_by == last.maker != stack.name:
            return  # whoever had made what was adopted has ended it: see docs/limits.md
        if self._doubts.is_another_stacks(declared.where, vm_id, stack.name):
            return
        if last is None or (last.ended_by not in (BY_HAND, "") and not last.is_undecidable):
            self.violation(f"{stack.name} declares {vm_id}, and it is not entitled")

    def end(self) -> None:
        """Judge every request, and every log line, at the end of a history."""
        for request in self._world.requests.values():
            self._request(request)
        for invocation in self._world.invocations:
            text = "\n".join(invocation.lines)
            for secret in invocation.request.secrets:
                if secret in text:
                    self.violation(f"#{invocation.number} logs a secret of {invocation.request}")
            if invocation.is_running:
                self.violation(f"#{invocation.number} for {invocation.request} never ends")

    def _request(self, request: Request) -> None:
        if request.last_change > request.deadline + LAST_CHANGE:
            late = request.last_change - request.deadline
            self.violation(f"{request} changes something {late:.0f} s after its deadline")
        if request.overtaken or request.excuses & UNANSWERED or (request.stack.is_gone and not request.bodies):
            return
        if not request.bodies:
            if not self._has_no_order(request):
                self.violation(f"{request} was never answered")
        elif request.answered_at - request.held_up > request.deadline:
            self.violation(f"{request} was answered {request.answered_at - request.deadline:.0f} s too late")

    def _has_no_order(self, request: Request) -> bool:
        """Tell whether nothing says if a request is newer than another one: see docs/limits.md.

        Both are Updates of one second. Both declare the set which the resource has already, or one takes the resource
        back to a set that it had before that one, since rollback was off.
        """
        of_resource = [one for one in request.stack.requests if one.logical_id == request.logical_id]
        earlier = {_set_of(one) for one in of_resource if one.has_succeeded and one.number < request.number}
        return request.type == "Update" and any(
            one is not request
            and (one.type, one.physical_id) == ("Update", request.physical_id)
            and int(one.issued_at) == int(request.issued_at)
            and (_set_of(one) == _set_of(request) or (one.number < request.number and _set_of(request) in earlier))
            for one in of_resource
        )


def _set_of(request: Request) -> tuple[Where, frozenset[str]]:
    """Return what makes the set that a request declares: whether it adopts does not."""
    declared = Declared.by(request.properties)
    return declared.where, declared.vm_ids
