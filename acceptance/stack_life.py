"""The third part of a run: the life of a stack by the CDK CLI, with updates that fail, or are cancelled.

Each step begins with the stack at rest. A step that does not lead to what is assumed is a finding, not an error; one
after which nothing can follow ends the part.
"""

from __future__ import annotations

import time

from acceptance.context import Context
from acceptance.deployments import GONE, last_line
from acceptance.errors import PartOver
from acceptance.place import any_held
from acceptance.stage import AT_REST, Stage
from testing.events import TYPE as RESOURCE_TYPE

_OF_TWO_VMS = ("changed-set", "stays-entitled")


class StackLife:
    """The life of a stack."""

    def __init__(self, context: Context) -> None:
        self._context, self._findings = context, context.findings
        self._stage = Stage(context)

    def run(self) -> None:
        """Live it.

        Raises:
            AcceptanceError, AwsError: nothing can follow.
        """
        stage = self._stage
        stage.synthesize()
        if not stage.stayer:
            self._findings.none_seen(_OF_TWO_VMS, "no second VM was given (VM2)")
        self._first_deployment()
        self._deletion_policy()
        self._changed_set()
        self._rolled_back()
        self._cancelled()
        self._no_rollback()
        self._express()
        self._destroy()
        self._failed_create()

    # --- the steps -------------------------------------------------------------------------------------------------

    def _first_deployment(self) -> None:
        stage = self._stage
        vm_id = self._context.place.vm
        done = stage.deploy("base" if stage.stayer else "more")
        status, row = stage.status(), stage.row(vm_id)
        as_assumed = not done.exit_code and (status, row.get("status")) == ("CREATE_COMPLETE", "CREATED")
        said = f"{status}, {row.get('status', 'not listed')}{stage.why(done)}"
        self._findings.saw("first-deployment", as_assumed, said)
        stage.note_requests("the first deployment")
        if not as_assumed:
            raise PartOver(f"the first deployment did not lead to an entitlement: {said}")
        stage.keep(vm_id)

    def _deletion_policy(self) -> None:
        stage = self._stage
        answer, statuses = stage.deployments.change_deletion_policy(stage.stack, "Handle")
        said = f"{answer}; events of the resource: {', '.join(statuses) or 'none'}"
        self._findings.measure("an update in which the DeletionPolicy of one resource alone changes", said)

    def _changed_set(self) -> None:
        stage = self._stage
        if stage.stayer:
            former = stage.physical_id()
            done = stage.deploy("more")
            stage.require_rest()
            events = stage.deployments.events(stage.stack)
            removed = [
                event
                for event in events
                if event.get("PhysicalResourceId") == former and event["ResourceStatus"] == "DELETE_COMPLETE"
            ]
            kinds = stage.note_requests("a set with one VM more")
            as_assumed = former != stage.physical_id() and (bool(removed) or "Delete" in kinds)
            said = "another id" if former != stage.physical_id() else "the same id"
            self._findings.saw(
                "changed-set", as_assumed, f"{said}; CloudFormation sent {', '.join(kinds) or 'unknown'}"
            )
            stage.check_stayer("a set with one VM more")
            stage.keep(stage.newcomer)
        done = stage.deploy("base")
        stage.require_rest()
        stage.note_requests("a set with one VM less")
        gone = stage.is_gone(stage.newcomer)
        as_assumed = not done.exit_code and gone
        self._findings.saw("smaller-set", as_assumed, f"{stage.status()}, {stage.held_words()}{stage.why(done)}")
        stage.check_stayer("a set with one VM less")

    def _rolled_back(self) -> None:
        stage = self._stage
        done = stage.deploy("more-fails")
        status = stage.settled()
        as_assumed = status == "UPDATE_ROLLBACK_COMPLETE" and stage.is_gone(stage.newcomer)
        self._findings.saw("rolled-back", as_assumed, f"{status}, {stage.held_words()}{stage.why(done)}")
        stage.note_requests("an update that is rolled back")
        stage.check_stayer("an update that is rolled back")
        stage.require_rest()

    def _cancelled(self) -> None:
        stage = self._stage
        began = time.time()
        said = stage.deployments.cancel(stage.stack, stage.assemblies["more-late"], f"{stage.stack}-cancelled")
        status = stage.settled()
        if said == "cancelled":
            as_assumed = status == "UPDATE_ROLLBACK_COMPLETE" and stage.is_gone(stage.newcomer)
            self._findings.saw("cancelled", as_assumed, f"{status}, {stage.held_words()}")
            self._findings.measure("an update that is cancelled, as a whole", f"{time.time() - began:.0f} s")
        else:
            self._findings.not_seen("cancelled", said)
        stage.note_requests("an update that is cancelled")
        stage.check_stayer("an update that is cancelled")
        if status not in AT_REST:
            stage.deploy("base")
        stage.require_rest()

    def _no_rollback(self) -> None:
        stage = self._stage
        done = stage.deploy("more-fails", "--no-rollback")
        status = stage.settled()
        first = f"{status}, {stage.held_words()}{stage.why(done)}"
        stage.note_requests("an update that fails with rollback off")
        stage.check_stayer("an update that fails with rollback off")
        how = "cdk deploy --no-rollback"
        done = stage.deploy("more", "--no-rollback")
        if done.exit_code:
            self._findings.measure("what it said", last_line(done))
            how = "cdk deploy"
            if stage.settled() not in AT_REST:
                stage.deployments.roll_back(stage.stack, stage.assemblies["more"])
                stage.settled()
                how = "cdk rollback, then cdk deploy"
            done = stage.deploy("more")
        status = stage.settled()
        as_assumed = status == "UPDATE_COMPLETE" and any_held(self._context.looks.rows(stage.newcomer))
        said = f"first {first}; then by {how} {status}, {stage.held_words()}{stage.why(done)}"
        self._findings.saw("no-rollback", as_assumed, said)
        stage.check_stayer("the deployment after that")
        stage.require_rest()
        stage.keep(stage.newcomer)

    def _express(self) -> None:
        stage = self._stage
        if not stage.deployments.knows("--express"):
            self._findings.not_seen("express", "this CDK CLI does not know --express")
            return
        done = stage.deploy("base", "--express")
        status = stage.settled()
        as_assumed = not done.exit_code and status == "UPDATE_COMPLETE" and stage.is_gone(stage.newcomer)
        self._findings.saw("express", as_assumed, f"{status}, {stage.held_words()}{stage.why(done)}")
        stage.note_requests("an update with --express")
        stage.check_stayer("an update with --express")

    def _destroy(self) -> None:
        stage = self._stage
        done = stage.deployments.destroy(stage.stack, stage.assemblies["base"])
        stage.measure("cdk destroy", done)
        status = stage.status()
        gone = all(stage.is_gone(vm_id) for vm_id in self._context.place.vms)
        self._findings.saw("destroyed", status == GONE and gone, f"{status}, {stage.held_words()}{stage.why(done)}")
        if status != GONE:
            raise PartOver(f"stack {stage.stack} could not be destroyed: {status}")

    def _failed_create(self) -> None:
        stage = self._stage
        place = self._context.place
        done = stage.deployments.deploy(stage.failing, stage.assemblies["create-fails"])
        stage.measure("cdk deploy of a stack with a VM that no vCenter has", done)
        status = stage.deployments.settled(stage.failing)
        reasons = [text for text in stage.deployments.failures(stage.failing) if text.startswith(RESOURCE_TYPE)]
        reason = reasons[0] if reasons else "no reason"
        code = self._context.findings.of("bad-vm-code")
        named = place.unknown in reason and ("VM_NOT_FOUND" in reason or code.verdict == "different")
        nothing = all(stage.is_gone(vm_id) for vm_id in (place.vm, place.unknown))
        self._findings.saw("failed-create", status == "ROLLBACK_COMPLETE" and named and nothing, f"{status}; {reason}")
        deletions = [
            event["ResourceStatus"]
            for event in stage.deployments.events(stage.failing)
            if event["ResourceType"] == RESOURCE_TYPE and event["ResourceStatus"].startswith("DELETE_")
        ]
        if "DELETE_COMPLETE" in deletions:
            self._findings.saw("delete-after-failed-create", True, ", ".join(deletions))
        else:
            self._findings.not_seen("delete-after-failed-create", "the stack's events have no Delete of it")
        stage.deployments.destroy(stage.failing, stage.assemblies["create-fails"])
