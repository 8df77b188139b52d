"""One run: its parts in order, then the clean-up, whatever happened, then the report.

Owns that the clean-up comes always, and that no signal but SIGKILL cuts it short.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from types import FrameType

from acceptance.assumptions import ASSUMPTIONS, Part
from acceptance.context import Context
from acceptance.errors import AcceptanceError, Interrupted, PartOver
from acceptance.evs_calls import EvsCalls
from acceptance.life import Life
from acceptance.place import is_held
from acceptance.questions import Questions
from acceptance.report import Ending
from acceptance.safekeeping import Safekeeping
from acceptance.stack_life import StackLife
from acceptance.stack_removal import StackRemoval
from evs_fleet.aws.session import Session
from evs_fleet.errors import AwsError

#: What ends a part. The last ones are an answer that is not made as all that is known says.
_ENDS = (AcceptanceError, AwsError, LookupError, TypeError, ValueError, AttributeError)
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PARTS: dict[Part, Callable[[Context], None]] = {
    "questions": lambda context: Questions(context).run(),
    "life": lambda context: Life(context).run(),
    "stack": lambda context: StackLife(context).run(),
}


class Signals:
    """SIGINT, SIGTERM and SIGHUP: they end the parts of a run, and never its clean-up."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._is_held = False
        self.came = False

    def catch(self) -> None:
        """Begin to turn them into `Interrupted`."""
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)

    def hold(self) -> None:
        """Let nothing be cut short any more."""
        self._is_held = True

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_held:
            self._say("cleaning up; please wait")
            return
        # At once: a second signal on the way to the clean-up must not cut that short.
        self._is_held = self.came = True
        raise Interrupted


def run_parts(context: Context, parts: tuple[Part, ...], ending: Ending) -> None:
    """Run the parts; one that ends early leaves the others.

    Raises:
        Interrupted: the user has had enough.
    """
    for part in parts:
        try:
            _PARTS[part](context)
        except _ENDS as error:
            known = isinstance(error, AcceptanceError | AwsError)
            line = f"{part}: {error}" if known else f"{part}: an answer of AWS has an unexpected form: {error!r}"
            context.say(line)
            ending.stopped.append(line)
            names = [name for name, each in ASSUMPTIONS.items() if each.part == part]
            context.findings.none_seen(names, "the part ended early")
            if not isinstance(error, PartOver):
                # EVS or CloudFormation is out of reach, or somebody else is at work here.
                break
    context.findings.none_seen(
        [name for name, each in ASSUMPTIONS.items() if each.part not in parts], "this part was not asked for"
    )
    _looked(context)


def _looked(context: Context) -> None:
    """Hold what all rows looked like against what is assumed of rows."""
    looks, findings = context.looks, context.findings
    if not looks.statuses:
        return
    known = {"CREATING", "CREATED", "AT_RISK", "ENTITLEMENT_REMOVED", "CREATE_FAILED", "DELETED"}
    findings.saw("known-statuses", looks.statuses <= known, ", ".join(sorted(looks.statuses)))
    more = sorted(context.unmodelled)
    said = f"not in the model: {', '.join(more)}" if more else f"of a row {', '.join(sorted(looks.members))}"
    findings.saw("known-members", not more, said)


def clean_up(keep: Safekeeping, session: Session, evs: EvsCalls, say: Callable[[str], None]) -> list[str]:
    """Take away all that a run has made, and return what is left, each as a line."""
    left: list[str] = []
    removal = StackRemoval(session, say)
    for stack in list(keep.record.stacks):
        if line := removal.remove(stack):
            left.append(line)
        else:
            keep.stack_gone(stack)
    left += keep.remove_entitlements(evs, say)
    if not left:
        left += _strangers(keep, evs)
        keep.forget()
    return left


def _strangers(keep: Safekeeping, evs: EvsCalls) -> list[str]:
    """Name VMs of the run that are entitled though nothing that is known of the run explains it; touch none."""
    record = keep.record
    try:
        rows = [row for answer in evs.pages(record.environment, record.connector) for row in answer.rows]
    except AcceptanceError as error:
        return [str(error)]
    return [
        f"{row.get('vmId')} is {row.get('status')} and was not entitled before; whoever did that, it was left alone"
        for row in rows
        if row.get("vmId") in record.vms and is_held(row)
    ]


def timed(ending: Ending) -> Ending:
    """Note how long it took."""
    ending.seconds = time.time() - ending.began
    return ending
