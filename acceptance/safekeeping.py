"""What a run has made, written down before it is made, and taken away again in the end.

Owns the first rule of a run: no entitlement that it made stays, and none that it did not make goes. What it is about to
make is in a file first, so that a run that was killed can be cleaned up by another one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from acceptance.errors import AcceptanceError
from acceptance.evs_calls import TYPE, Answer, EvsCalls
from acceptance.place import LOOK_EVERY, Looks, is_held, present, started

#: Seconds. A call of which nobody heard may take effect for so long, and the list may be behind for so long. The
#: function goes by the same times (lambda_handler/pace.py).
LANDS_WITHIN, LIST_LAG = 52.0, 65.0
#: Seconds that clocks may be apart, a whole second of a time that was cut included. A run begins with less alone.
SKEW = 4.0
#: Seconds that one entitlement is given to go.
GONE_WITHIN = 900.0
#: Seconds between two attempts to delete, since EVS may refuse while it is at work.
_AGAIN = 5.0
#: So many looks in a row do not show a VM before it is believed to be gone: rows move while a list is read.
_ABSENT = 3

Outcome = Literal["announced", "taken", "refused"]


@dataclass
class Call:
    """A CreateEntitlement of one VM: when it left (seconds since 1970), and what came of it."""

    vm_id: str
    left_at: float
    outcome: Outcome = "announced"
    #: When the call had ended, in seconds since 1970; 0 where that is not known.
    ended_at: float = 0.0

    @property
    def shows_by(self) -> float:
        """When the list shows what the call has done, or never will."""
        lands_by = self.ended_at if self.outcome == "taken" else (self.ended_at or self.left_at) + LANDS_WITHIN
        return lands_by + LIST_LAG


@dataclass
class Record:
    """What a run has made, as its file has it.

    Attributes:
        stacks: names of stacks.
        calls: CreateEntitlement by the API.
        by_stack: VMs that a stack has entitled, each with the startedAt by which that entitlement is known.
    """

    account: str
    region: str
    environment: str
    connector: str
    vms: list[str]
    stacks: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    by_stack: dict[str, list[float]] = field(default_factory=dict)


class Safekeeping:
    """The record of one run, and the file that has it.

    Args:
        path: of the file; made at the first thing that is made.
    """

    def __init__(self, path: Path, record: Record) -> None:
        self._path, self.record = path, record

    @classmethod
    def load(cls, path: Path) -> Safekeeping:
        """Return the record of a former run.

        Raises:
            AcceptanceError: the file can't be read.
        """
        try:
            value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            calls = [Call(**call) for call in value.pop("calls")]
            return cls(path, Record(**value, calls=calls))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise AcceptanceError(f"{path}: can't be read as the record of a run ({type(error).__name__})") from None

    def stack(self, name: str) -> None:
        """Note that a stack is about to be made."""
        if name not in self.record.stacks:
            self.record.stacks.append(name)
            self._write()

    def stack_gone(self, name: str) -> None:
        """Note that a stack is gone."""
        self.record.stacks.remove(name)
        self._write()

    def stack_has_entitled(self, vm_id: str, started_at: float) -> None:
        """Note an entitlement that a stack of this run has made, by its startedAt (seconds since 1970)."""
        known = self.record.by_stack.setdefault(vm_id, [])
        if started_at not in known:
            known.append(started_at)
            self._write()

    def create(self, evs: EvsCalls, vm_ids: Iterable[str]) -> Answer:
        """Call CreateEntitlement, noted before it leaves.

        Raises:
            AcceptanceError: what EVS answers began before the call: it is somebody else's.
        """
        record, now = self.record, time.time()
        calls = {vm_id: Call(vm_id, now) for vm_id in vm_ids}
        record.calls += calls.values()
        self._write()
        answer = self._ask(evs, "CreateEntitlement", calls)
        for call in calls.values():
            call.outcome = "taken" if answer.is_taken else "refused" if answer.is_refused else "announced"
            call.ended_at = time.time()
        foreign = [row for row in answer.rows if self._began_before(row)]
        for row in foreign:
            calls[str(row["vmId"])].outcome = "refused"
        self._write()
        if foreign:
            raise AcceptanceError(f"{foreign[0]['vmId']}: somebody else entitled it after the run began: left alone")
        return answer

    def delete(self, evs: EvsCalls, vm_ids: Iterable[str]) -> Answer:
        """Call DeleteEntitlement of VMs that this run has called for."""
        return self._ask(evs, "DeleteEntitlement", vm_ids)

    def undone(self, vm_id: str) -> None:
        """Note that a VM was seen to have lost what this run had made: what comes now is somebody else's."""
        self.record.calls = [call for call in self.record.calls if call.vm_id != vm_id]
        self._write()

    def forget(self) -> None:
        """Remove the file: nothing is left of the run."""
        self._path.unlink(missing_ok=True)

    def _ask(self, evs: EvsCalls, operation: str, vm_ids: Iterable[str]) -> Answer:
        record = self.record
        return evs.ask(
            operation,
            environmentId=record.environment,
            connectorId=record.connector,
            entitlementType=TYPE,
            vmIds=list(vm_ids),
        )

    def _began_before(self, row: dict[str, Any]) -> bool:
        """Tell whether an entitlement began before the first call of this run for its VM."""
        began, calls = started(row), [call.left_at for call in self.record.calls if call.vm_id == row.get("vmId")]
        return began is not None and bool(calls) and began < min(calls) - SKEW

    # --- cleaning up -----------------------------------------------------------------------------------------------

    def remove_entitlements(self, evs: EvsCalls, say: Callable[[str], None]) -> list[str]:
        """Remove what this run has entitled, and return what could not be removed, each as a line.

        The stacks have to be gone, or to have failed to go. A call of which nothing is known is awaited for as long as
        it may take effect and stay unlisted.
        """
        record = self.record
        looks = Looks(evs, record.environment, record.connector)
        left = []
        for vm_id in dict.fromkeys([*record.by_stack, *(call.vm_id for call in record.calls)]):
            calls = [call for call in record.calls if call.vm_id == vm_id and call.outcome != "refused"]
            wait = max((call.shows_by - time.time() for call in calls if call.outcome == "announced"), default=0.0)
            why = f": a call got no answer, and is awaited for up to {wait:.0f} s" if wait > 0 else ""
            say(f"making sure that {vm_id} is not entitled by this run{why}")
            try:
                if line := self._remove(evs, looks, vm_id, calls):
                    left.append(line)
            except AcceptanceError as error:
                left.append(f"{vm_id} may still be entitled: {error}")
        return left

    def _remove(self, evs: EvsCalls, looks: Looks, vm_id: str, calls: list[Call]) -> str | None:
        now = began = time.time()
        shows_by = max((call.shows_by for call in calls), default=now)
        give_up = max(now, shows_by) + GONE_WITHIN
        # These have had their effect, so that one deletion ends it, whatever the list shows.
        all_taken = bool(calls) and all(call.outcome == "taken" for call in calls)
        asked, absent, answer, has_shown, is_final = 0.0, 0, None, False, False
        while now < give_up:
            listed = looks.rows(vm_id)
            rows = [row for row in listed if self._is_ours(row, calls)]
            held = [row for row in rows if is_held(row)]
            # A deletion of what is not listed must not hit what somebody else has.
            is_alone = len(present(rows)) == len(present(listed))
            has_shown = has_shown or bool(rows)
            is_final = is_final or any(row.get("status") == "CREATE_FAILED" for row in rows)
            absent = 0 if held else absent + 1
            has_ended = is_final or (answer is not None and answer.is_taken)
            # Of several calls one without an answer may still take effect after the others were undone.
            is_known = all_taken or (len(calls) <= 1 and has_shown)
            if (held or (answer is None and (rows or (all_taken and is_alone)))) and now - asked >= _AGAIN:
                answer, asked = self.delete(evs, [vm_id]), now
            elif absent >= _ABSENT and ((is_known and has_ended) or now > shows_by):
                return None
            time.sleep(LOOK_EVERY)
            now = time.time()
        said = f"; EVS says to DeleteEntitlement: {answer.words}" if answer else ""
        return f"{vm_id} is still entitled {now - began:.0f} s later{said}"

    def _is_ours(self, row: dict[str, Any], calls: list[Call]) -> bool:
        """Tell whether a row is what this run made: by a call, or by a stack that was seen to have made it."""
        if started(row) in self.record.by_stack.get(str(row.get("vmId")), ()):
            return True
        return bool(calls) and not self._began_before(row)

    def _write(self) -> None:
        """Write the whole file at once: half a record is worse than the one before."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_suffix(".new")
        with beside.open("w", encoding="utf-8") as file:
            json.dump(asdict(self.record), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
