"""The third part of a run: the life of a stack by the CDK CLI, with updates that fail, or are cancelled.

Each step begins with the stack at rest. A step that does not lead to what is assumed is a finding, not an error; one
after which nothing can follow ends the part.
"""

from __future__ import annotations

import time

from acceptance.context import Context
from acceptance.deployments import GONE, Deployments, last_line
from acceptance.errors import PartOver
from acceptance.place import Row, any_held, started
from acceptance.safekeeping import LIST_LAG
from acceptance.stacks import Variant, Where, synthesize
from testing.cdk import Done
from testing.events import TYPE as RESOURCE_TYPE

#: Statuses of a stack that an ordinary deployment can begin with.
AT_REST = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})
#: Seconds after which the resource behind the entitlements fails: soon, or late enough to cancel before that.
_SOON, _LATE = 10, 60
_WORDS = {
    "base": "the smaller set",
    "more": "the larger set",
    "more-fails": "the larger set with a resource that fails",
}
_SETS = ("changed-set", "stays-entitled")


class StackLife:
    """The life of a stack."""

    def __init__(self, context: Context) -> None:
        self._context, self._findings, self._looks = context, context.findings, context.looks
        self._stack, self._failing = context.name, f"{context.name}-fails"
        place = context.place
        # With one VM alone it comes and goes as a whole set; with two, one stays while the other comes and goes.
        self._stayer = place.vm if place.second else None
        self._newcomer = place.second or place.vm
        self._stayer_began: float | None = None
        self._deployments = Deployments(context.session, context.keep, context.directory / "cdk", context.say)
        self._assemblies: dict[str, str] = {}

    def run(self) -> None:
        """Live it.

        Raises:
            AcceptanceError, AwsError: nothing can follow.
        """
        self._synthesize()
        self._first_deployment()
        self._deletion_policy()
        self._changed_set()
        self._rolled_back()
        self._cancelled()
        self._no_rollback()
        self._express()
        self._destroy()
        self._failed_create()

    def _synthesize(self) -> None:
        place = self._context.place
        base = (self._stayer,) if self._stayer else ()
        more = (*base, self._newcomer)
        variants = {
            "base": Variant(self._stack, base),
            "more": Variant(self._stack, more),
            "more-fails": Variant(self._stack, more, _SOON),
            "more-late": Variant(self._stack, more, _LATE),
            "create-fails": Variant(self._failing, (place.vm, place.unknown)),
        }
        self._context.say("synthesizing the stacks")
        directory = self._context.directory / "assemblies"
        account, _ = self._context.session.caller()
        where = Where(account, self._context.session.region, place.environment, place.connector)
        self._assemblies = synthesize(where, variants, directory)
        if not place.second:
            self._findings.none_seen(_SETS, "no second VM was given (VM2)")

    # --- the steps -------------------------------------------------------------------------------------------------

    def _first_deployment(self) -> None:
        vm_id = self._context.place.vm
        done = self._deploy("base" if self._stayer else "more")
        status, row = self._status(), self._row(vm_id)
        as_assumed = not done.exit_code and (status, row.get("status")) == ("CREATE_COMPLETE", "CREATED")
        said = f"{status}, {row.get('status', 'not listed')}{self._why(done)}"
        self._findings.saw("first-deployment", as_assumed, said)
        self._note_requests("the first deployment", done.began)
        if not as_assumed:
            raise PartOver(f"the first deployment did not lead to an entitlement: {said}")
        self._keep(vm_id)
        if self._stayer:
            self._stayer_began = started(row)

    def _deletion_policy(self) -> None:
        answer, statuses = self._deployments.change_deletion_policy(self._stack, "Handle")
        said = f"{answer}; events of the resource: {', '.join(statuses) or 'none'}"
        self._findings.measure("an update in which the DeletionPolicy of one resource alone changes", said)

    def _changed_set(self) -> None:
        if self._stayer:
            former = self._physical_id()
            done = self._deploy("more")
            self._require_rest()
            events = self._deployments.events(self._stack, done.began)
            removed = [
                event for event in events
                if event.get("PhysicalResourceId") == former and event["ResourceStatus"] == "DELETE_COMPLETE"
            ]  # fmt: skip
            kinds = self._note_requests("a set with one VM more", done.began)
            as_assumed = former != self._physical_id() and (bool(removed) or "Delete" in kinds)
            said = "another id" if former != self._physical_id() else "the same id"
            self._findings.saw(
                "changed-set", as_assumed, f"{said}; CloudFormation sent {', '.join(kinds) or 'unknown'}"
            )
            self._check_stayer("a set with one VM more")
            self._keep(self._newcomer)
        done = self._deploy("base")
        self._require_rest()
        self._note_requests("a set with one VM less", done.began)
        gone = self._is_gone(self._newcomer)
        as_assumed = not done.exit_code and gone
        self._findings.saw("smaller-set", as_assumed, f"{self._status()}, {self._held_words()}{self._why(done)}")
        self._check_stayer("a set with one VM less")

    def _rolled_back(self) -> None:
        done = self._deploy("more-fails")
        status = self._deployments.settled(self._stack)
        as_assumed = status == "UPDATE_ROLLBACK_COMPLETE" and self._is_gone(self._newcomer)
        self._findings.saw("rolled-back", as_assumed, f"{status}, {self._held_words()}{self._why(done)}")
        self._note_requests("an update that is rolled back", done.began)
        self._check_stayer("an update that is rolled back")
        self._require_rest()

    def _cancelled(self) -> None:
        began = time.time()
        said = self._deployments.cancel(self._stack, self._assemblies["more-late"], f"{self._stack}-cancelled")
        status = self._deployments.settled(self._stack)
        if said == "cancelled":
            as_assumed = status == "UPDATE_ROLLBACK_COMPLETE" and self._is_gone(self._newcomer)
            self._findings.saw("cancelled", as_assumed, f"{status}, {self._held_words()}")
            self._findings.measure("an update that is cancelled, as a whole", f"{time.time() - began:.0f} s")
        else:
            self._findings.not_seen("cancelled", said)
        self._note_requests("an update that is cancelled", began)
        self._check_stayer("an update that is cancelled")
        if status not in AT_REST:
            self._deploy("base")
        self._require_rest()

    def _no_rollback(self) -> None:
        done = self._deploy("more-fails", "--no-rollback")
        status = self._deployments.settled(self._stack)
        first = f"{status}, {self._held_words()}{self._why(done)}"
        self._note_requests("an update that fails with rollback off", done.began)
        self._check_stayer("an update that fails with rollback off")
        how = "cdk deploy --no-rollback"
        done = self._deploy("more", "--no-rollback")
        if done.exit_code:
            self._findings.measure("what it said", last_line(done))
            how = "cdk deploy"
            if self._deployments.settled(self._stack) not in AT_REST:
                self._deployments.roll_back(self._stack, self._assemblies["more"])
                self._deployments.settled(self._stack)
                how = "cdk rollback, then cdk deploy"
            done = self._deploy("more")
        status = self._deployments.settled(self._stack)
        as_assumed = status == "UPDATE_COMPLETE" and any_held(self._looks.rows(self._newcomer))
        said = f"first {first}; then by {how} {status}, {self._held_words()}{self._why(done)}"
        self._findings.saw("no-rollback", as_assumed, said)
        self._check_stayer("the deployment after that")
        self._require_rest()
        self._keep(self._newcomer)

    def _express(self) -> None:
        if not self._deployments.knows("--express"):
            self._findings.not_seen("express", "this CDK CLI does not know --express")
            return
        done = self._deploy("base", "--express")
        status = self._deployments.settled(self._stack)
        as_assumed = not done.exit_code and status == "UPDATE_COMPLETE" and self._is_gone(self._newcomer)
        self._findings.saw("express", as_assumed, f"{status}, {self._held_words()}{self._why(done)}")
        self._note_requests("an update with --express", done.began)
        self._check_stayer("an update with --express")

    def _destroy(self) -> None:
        done = self._deployments.destroy(self._stack, self._assemblies["base"])
        self._time("cdk destroy", done)
        status = self._status()
        gone = all(self._is_gone(vm_id) for vm_id in self._context.place.vms)
        self._findings.saw("destroyed", status == GONE and gone, f"{status}, {self._held_words()}{self._why(done)}")
        if status != GONE:
            raise PartOver(f"stack {self._stack} could not be destroyed: {status}")

    def _failed_create(self) -> None:
        place = self._context.place
        done = self._deployments.deploy(self._failing, self._assemblies["create-fails"])
        self._time("cdk deploy of a stack with a VM that no vCenter has", done)
        status = self._deployments.settled(self._failing)
        reasons = [
            text for text in self._deployments.failures(self._failing, done.began) if text.startswith(RESOURCE_TYPE)
        ]
        reason = reasons[0] if reasons else "no reason"
        code = self._context.findings.of("bad-vm-code")
        named = place.unknown in reason and ("VM_NOT_FOUND" in reason or code.verdict == "different")
        nothing = all(self._is_gone(vm_id) for vm_id in (place.vm, place.unknown))
        self._findings.saw("failed-create", status == "ROLLBACK_COMPLETE" and named and nothing, f"{status}; {reason}")
        deletions = [
            event["ResourceStatus"] for event in self._deployments.events(self._failing, done.began)
            if event["ResourceType"] == RESOURCE_TYPE and event["ResourceStatus"].startswith("DELETE_")
        ]  # fmt: skip
        if "DELETE_COMPLETE" in deletions:
            self._findings.saw("delete-after-failed-create", True, ", ".join(deletions))
        else:
            self._findings.not_seen("delete-after-failed-create", "the stack's events have no Delete of it")
        self._deployments.destroy(self._failing, self._assemblies["create-fails"])

    # --- what they are made of -------------------------------------------------------------------------------------

    def _deploy(self, variant: str, *options: str) -> Done:
        done = self._deployments.deploy(self._stack, self._assemblies[variant], *options)
        self._time(f"cdk deploy, {_WORDS[variant]}", done, *options)
        return done

    def _time(self, what: str, done: Done, *options: str) -> None:
        said = f"exit {done.exit_code} after {done.seconds:.0f} s"
        self._findings.measure(" ".join([what, *options]), said)

    def _status(self) -> str:
        return self._deployments.status(self._stack)

    def _require_rest(self) -> None:
        status = self._deployments.settled(self._stack)
        if status not in AT_REST:
            raise PartOver(f"stack {self._stack} is {status}: no deployment can follow")

    def _row(self, vm_id: str) -> Row:
        return self._looks.wait(vm_id, any_held, time.time(), LIST_LAG).row

    def _is_gone(self, vm_id: str) -> bool:
        return self._looks.wait(vm_id, lambda rows: not any_held(rows), time.time(), LIST_LAG).came

    def _held_words(self) -> str:
        held = [vm_id for vm_id in self._context.place.vms if any_held(self._looks.rows(vm_id))]
        return f"entitled: {', '.join(held) or 'none'}"

    def _physical_id(self) -> str:
        return self._deployments.physical_id(self._stack)

    def _keep(self, vm_id: str) -> None:
        """Note what the stack has entitled, so that it is known again where the stack fails to remove it."""
        began = started(self._row(vm_id))
        if began is not None:
            self._context.keep.stack_has_entitled(vm_id, began)

    def _check_stayer(self, step: str) -> None:
        if self._stayer is None:
            return
        row = self._row(self._stayer)
        if any_held([row]) and self._stayer_began is None:
            self._findings.not_seen("stays-entitled", "the row of the VM has no startedAt")
            return
        as_assumed = any_held([row]) and started(row) == self._stayer_began
        said = "startedAt is the same" if as_assumed else f"{row.get('status', 'not listed')}, began {started(row)}"
        self._findings.saw("stays-entitled", as_assumed, said if as_assumed else f"{step}: {said}")

    def _note_requests(self, step: str, since: float) -> list[str]:
        sent = self._deployments.requests(self._stack, since, at_least=1)
        kinds = [] if sent is None else [one.kind for one in sent]
        said = (
            "the function's log can't be read" if sent is None else ", ".join(kinds) or "nothing in the function's log"
        )
        self._findings.measure(f"requests of CloudFormation in {step}", said)
        return kinds

    def _why(self, done: Done) -> str:
        if not done.exit_code:
            return ""
        reasons = self._deployments.failures(self._stack, done.began) if self._status() != GONE else []
        return f"; {reasons[0]}" if reasons else f"; {last_line(done)}"
