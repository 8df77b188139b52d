"""The main stack of a run and the VMs on it: what each step does with it, and how it is told what came of that.

Owns which VM stays declared while which comes and goes. Knows no order of steps.
"""

from __future__ import annotations

import time

from acceptance.context import Context
from acceptance.deployments import GONE, Deployments, last_line
from acceptance.errors import PartOver
from acceptance.function_log import FunctionLog
from acceptance.place import Row, any_held, started
from acceptance.safekeeping import LIST_LAG
from acceptance.stacks import Variant, Where, synthesize
from testing.cdk import Done

#: Statuses of a stack that an ordinary deployment can begin with.
AT_REST = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})
#: Seconds after which the resource behind the entitlements fails: soon, or late enough to cancel before that.
_SOON, _LATE = 10, 60
_WORDS = {
    "base": "the smaller set",
    "more": "the larger set",
    "more-fails": "the larger set with a resource that fails",
}


class Stage:
    """The main stack of a run.

    Attributes:
        stack, failing: names of the stack, and of the one whose first deployment fails.
        stayer: the VM that stays declared; None where there is one VM alone, which comes and goes as a whole set.
        newcomer: the VM that comes and goes.
        assemblies: folders of cloud assemblies, by variant.
    """

    def __init__(self, context: Context) -> None:
        self._context, self._findings, self._looks = context, context.findings, context.looks
        self.stack, self.failing = context.name, f"{context.name}-fails"
        self.stayer = context.place.vm if context.place.second else None
        self.newcomer = context.place.second or context.place.vm
        self.deployments = Deployments(context.session, context.keep, context.directory / "cdk", context.say)
        self.assemblies: dict[str, str] = {}
        self._log = FunctionLog(context.session)
        self._stayer_began: float | None = None

    def synthesize(self) -> None:
        """Write the cloud assembly of each variant; raises AcceptanceError."""
        context, place = self._context, self._context.place
        base = (self.stayer,) if self.stayer else ()
        more = (*base, self.newcomer)
        variants = {
            "base": Variant(self.stack, base),
            "more": Variant(self.stack, more),
            "more-fails": Variant(self.stack, more, _SOON),
            "more-late": Variant(self.stack, more, _LATE),
            "create-fails": Variant(self.failing, (place.vm, place.unknown)),
        }
        context.say("synthesizing the stacks")
        account, _ = context.session.caller()
        where = Where(account, context.session.region, place.environment, place.connector)
        self.assemblies = synthesize(where, variants, context.directory / "assemblies")

    # --- the stack -------------------------------------------------------------------------------------------------

    def deploy(self, variant: str, *options: str) -> Done:
        """Deploy a variant; how it ended is in the answer."""
        done = self.deployments.deploy(self.stack, self.assemblies[variant], *options)
        self.measure(f"cdk deploy, {_WORDS[variant]}", done, *options)
        return done

    def measure(self, what: str, done: Done, *options: str) -> None:
        """Note how a command ended, and how long it took."""
        said = f"exit {done.exit_code} after {done.seconds:.0f} s"
        self._findings.measure(" ".join([what, *options]), said)

    def status(self) -> str:
        """Return the status of the stack."""
        return self.deployments.status(self.stack)

    def settled(self) -> str:
        """Return the status of the stack once no operation is under way."""
        return self.deployments.settled(self.stack)

    def require_rest(self) -> None:
        """Wait until an ordinary deployment can begin; raises PartOver if none can."""
        status = self.settled()
        if status not in AT_REST:
            raise PartOver(f"stack {self.stack} is {status}: no deployment can follow")

    def physical_id(self) -> str:
        """Return the id of the custom resource."""
        return self.deployments.physical_id(self.stack)

    def why(self, done: Done) -> str:
        """Return why a command failed, behind a semicolon; empty where it did not."""
        if not done.exit_code:
            return ""
        reasons = self.deployments.failures(self.stack) if self.status() != GONE else []
        return f"; {reasons[0]}" if reasons else f"; {last_line(done)}"

    def note_requests(self, step: str) -> list[str]:
        """Note what CloudFormation asked the function in a step, and return it."""
        sent = self._log.new_requests(self.stack)
        kinds = [one.kind for one in sent or ()]
        said = ", ".join(kinds) or ("none in the function's log" if sent is not None else "its log is gone")
        self._findings.measure(f"requests of CloudFormation in {step}", said)
        return kinds

    # --- the VMs ---------------------------------------------------------------------------------------------------

    def row(self, vm_id: str) -> Row:
        """Return the row by which a VM is held; else another one, or an empty one."""
        return self._looks.wait(vm_id, any_held, time.time(), LIST_LAG).row

    def is_gone(self, vm_id: str) -> bool:
        """Tell whether a VM is not held, as soon as the list can be trusted."""
        return self._looks.wait(vm_id, lambda rows: not any_held(rows), time.time(), LIST_LAG).came

    def held_words(self) -> str:
        """Return which VMs of the run are entitled, in words."""
        held = [vm_id for vm_id in self._context.place.vms if any_held(self._looks.rows(vm_id))]
        return f"entitled: {', '.join(held) or 'none'}"

    def keep(self, vm_id: str) -> None:
        """Note what the stack has entitled, so that it is known again where the stack fails to remove it."""
        began = started(self.row(vm_id))
        if vm_id == self.stayer:
            self._stayer_began = began
        if began is not None:
            self._context.keep.stack_has_entitled(vm_id, began)

    def check_stayer(self, step: str) -> None:
        """Hold the VM that stays declared against its entitlement after the first deployment."""
        if self.stayer is None:
            return
        row = self.row(self.stayer)
        if any_held([row]) and self._stayer_began is None:
            self._findings.not_seen("stays-entitled", "the row of the VM has no startedAt")
            return
        as_assumed = any_held([row]) and started(row) == self._stayer_began
        said = "startedAt is the same" if as_assumed else f"{row.get('status', 'not listed')}, began {started(row)}"
        self._findings.saw("stays-entitled", as_assumed, said if as_assumed else f"{step}: {said}")
