"""The second part of a run: the life of an entitlement by the API, and how soon the list shows it.

Entitles one VM twice, and calls for one that no vCenter has. All goes through safekeeping, before it leaves.
"""

from __future__ import annotations

import time

from acceptance.context import Context
from acceptance.errors import PartOver
from acceptance.evs_calls import Answer
from acceptance.place import LOOK_EVERY, Row, Seen, any_held, present, settled, started
from acceptance.safekeeping import LIST_LAG, SKEW

#: Seconds that EVS is given to entitle a VM, and to end an entitlement.
CREATED_WITHIN, GONE_WITHIN = 3600.0, 900.0
#: Seconds that a VM which no vCenter has is given to fail, once the other one is entitled.
FAILED_WITHIN = 900.0
#: Seconds for which a VM that was removed while CREATING is looked at, at least.
_AT_LEAST = 5.0
#: So many looks in a row do not show a VM as held before it counts as gone.
_ABSENT = 3


class Life:
    """The life of an entitlement."""

    def __init__(self, context: Context) -> None:
        self._context, self._findings = context, context.findings
        self._place, self._keep, self._looks = context.place, context.keep, context.looks
        self._created_after = 0.0

    def run(self) -> None:
        """Live it.

        Raises:
            AcceptanceError: EVS does not answer, or does not entitle the VM.
        """
        self._create()
        self._become_created()
        self._failed_row()
        self._create_again()
        self._delete()
        self._delete_again()
        self._delete_while_creating()

    # --- creating --------------------------------------------------------------------------------------------------

    def _create(self) -> None:
        vm_id, unknown = self._place.vm, self._place.unknown
        self._context.say(f"entitling {vm_id} by the API, in one call with {unknown}, which no vCenter has")
        answer = self._create_call([vm_id, unknown])
        if answer.is_taken:
            self._findings.saw("bad-vm-alone", True, answer.words)
        else:
            self._findings.saw("bad-vm-alone", False, answer.words)
            self._findings.none_seen(("bad-vm-code", "delete-failed", "list-pages"), "the call for it was refused")
            answer = self._create_call([vm_id])
        if not answer.is_taken:
            raise PartOver(f"EVS does not take CreateEntitlement of {vm_id}: {answer.words}")
        statuses = {str(row.get("vmId")): str(row.get("status")) for row in answer.rows}
        wanted = dict.fromkeys(answer.members["vmIds"], "CREATING")
        self._findings.saw("create-answer", statuses == wanted, answer.words)
        creating = [row for row in answer.rows if row.get("status") == "CREATING"]
        if creating:
            without = all(row.get("startedAt") is None for row in creating)
            self._findings.saw("start-while-creating", without, "absent" if without else "present")
        self._called_at, self._answered_at = answer.began, time.time()

    def _become_created(self) -> None:
        vm_id = self._place.vm
        shown = self._looks.wait(vm_id, lambda rows: bool(present(rows)), self._answered_at, 5 * LIST_LAG)
        self._shows("list-after-create", "list-lag-create", shown, "listed")
        self._pages()
        self._context.say("waiting until EVS has checked the VM")
        seen = self._looks.wait(vm_id, settled, self._called_at, CREATED_WITHIN)
        row = seen.row
        if row.get("status") != "CREATED":
            self._findings.saw("created-in-time", False, f"{row.get('status')} after {seen.seconds:.0f} s")
            error = row.get("errorDetail") or {}
            raise PartOver(f"EVS does not entitle {vm_id}: {row.get('status')} {error.get('errorCode', '')}".rstrip())
        self._created_after = seen.seconds
        self._findings.saw("created-in-time", True, f"after {seen.seconds:.1f} s")
        self._findings.measure("from CreateEntitlement to CREATED in the list", f"{seen.seconds:.1f} s")
        self._start(row)
        times = sorted(self._looks.times)
        if times:
            as_assumed = not any(time.startswith('"') for time in times) and any(map(_has_fraction, times))
            self._findings.saw("times-form", as_assumed, f"such as {times[-1]}")

    def _start(self, row: Row) -> None:
        began = started(row)
        if began is None:
            self._findings.saw("start-after-call", False, f"startedAt is {row.get('startedAt')!r}")
            return
        after = began + (1.0 if began.is_integer() else 0.0) - self._called_at
        self._findings.saw("start-after-call", after >= -SKEW, f"{after:+.1f} s")
        self._findings.measure("startedAt less the time of the call, by this machine's clock", f"{after:+.1f} s")

    def _pages(self) -> None:
        place, rows = self._place, self._looks.all_rows()
        if len(rows) < 2:
            self._findings.not_seen("list-pages", f"{len(rows)} row listed")
            return
        first: list[Answer] = []
        for answer in self._context.evs.pages(place.environment, place.connector, 1):
            first.append(self._context.note(answer))
            if len(first) == 2:
                break
        found = [row.get("vmId") for answer in first for row in answer.rows]
        as_assumed = [len(answer.rows) for answer in first] == [1, 1]
        self._findings.saw("list-pages", as_assumed, f"{len(first)} pages with {len(found)} rows")

    def _failed_row(self) -> None:
        unknown = self._place.unknown
        if not any(call.vm_id == unknown and call.outcome == "taken" for call in self._keep.record.calls):
            return
        seen = self._looks.wait(unknown, settled, self._called_at, self._created_after + FAILED_WITHIN)
        error = seen.row.get("errorDetail") or {}
        said = f"{seen.row.get('status', 'not listed')} {error.get('errorCode', 'without an errorCode')}"
        as_assumed = (seen.row.get("status"), error.get("errorCode")) == ("CREATE_FAILED", "VM_NOT_FOUND")
        self._findings.saw("bad-vm-code", as_assumed and bool(error.get("errorMessage")), said)
        self._findings.measure("from CreateEntitlement to CREATE_FAILED in the list", f"{seen.seconds:.1f} s")
        answer = self._delete_call([unknown])
        gone = self._looks.wait(unknown, _all_deleted, time.time(), GONE_WITHIN if answer.is_taken else 0.0)
        self._findings.saw("delete-failed", answer.is_taken and gone.came, answer.words)
        if gone.came:
            self._keep.undone(unknown)

    def _create_again(self) -> None:
        vm_id = self._place.vm
        self._context.say(f"entitling {vm_id}, which is entitled, once more")
        before = self._looks.wait(vm_id, settled, time.time(), LIST_LAG).row
        answer = self._create_call([vm_id])
        rows = [row for row in answer.rows if row.get("vmId") == vm_id]
        as_assumed = answer.is_taken and len(rows) == 1 and rows[0].get("startedAt") == before.get("startedAt")
        self._findings.saw("create-again", as_assumed, answer.words)
        rows = present(self._looks.rows(vm_id))
        self._findings.saw("one-row", len(rows) == 1, ", ".join(str(row.get("status")) for row in rows) or "no row")

    # --- deleting --------------------------------------------------------------------------------------------------

    def _delete(self) -> None:
        vm_id = self._place.vm
        self._context.say(f"removing the entitlement of {vm_id}")
        answer = self._delete_call([vm_id])
        if not answer.is_taken:
            self._findings.saw("delete-answer", False, answer.words)
            raise PartOver(f"EVS does not take DeleteEntitlement of {vm_id}: {answer.words}")
        self._findings.saw("delete-answer", [row.get("vmId") for row in answer.rows] == [vm_id], answer.words)
        gone = self._gone(vm_id)
        self._shows("list-after-delete", "list-lag-delete", gone, "not held")
        listed = ", ".join(str(row.get("status")) for row in gone.rows)
        self._findings.saw("deleted-row", not gone.rows, listed or "not listed")
        self._findings.measure("from DeleteEntitlement until it is not listed as held", f"{gone.seconds:.1f} s")

    def _delete_again(self) -> None:
        answer = self._delete_call([self._place.vm])
        self._findings.saw("delete-again", answer.is_taken and not answer.rows, answer.words)
        self._keep.undone(self._place.vm)

    def _delete_while_creating(self) -> None:
        vm_id = self._place.vm
        self._context.say(f"entitling {vm_id} and removing that at once")
        created = self._create_call([vm_id])
        if not created.is_taken:
            raise PartOver(f"EVS does not take CreateEntitlement of {vm_id} once more: {created.words}")
        answer = self._delete_call([vm_id])
        if not any(row.get("status") == "CREATING" for row in created.rows):
            self._findings.not_seen("delete-while-creating", f"EVS said: {created.words}")
        else:
            is_held_later = answer.is_taken and self._comes_back(vm_id)
            later = " and later entitled" if is_held_later else ""
            self._findings.saw("delete-while-creating", answer.is_taken and not is_held_later, answer.words + later)
        if self._looks.wait(vm_id, lambda rows: not any_held(rows), time.time(), 0.0).came and answer.is_taken:
            self._keep.undone(vm_id)
            return
        self._looks.wait(vm_id, lambda rows: settled(rows) or not any_held(rows), time.time(), CREATED_WITHIN)
        self._delete_call([vm_id])
        self._gone(vm_id)
        self._keep.undone(vm_id)

    def _comes_back(self, vm_id: str) -> bool:
        """Tell whether a VM is held after the time in which it would have become entitled."""
        until = time.time() + max(_AT_LEAST, 3 * self._created_after)
        while time.time() < until:
            time.sleep(LOOK_EVERY)
        return any_held(self._looks.rows(vm_id))

    def _gone(self, vm_id: str) -> Seen:
        """Wait until looks in a row do not show a VM as held; the first of them counts."""
        since = time.time()
        first: Seen | None = None
        absent = 0
        while first is None or absent < _ABSENT:
            seen = self._looks.wait(vm_id, lambda rows: not any_held(rows), since, GONE_WITHIN)
            if not seen.came:
                raise PartOver(
                    f"{vm_id} is still {seen.row.get('status')} {seen.seconds:.0f} s after DeleteEntitlement"
                )
            if first is None or seen.looks > 1:
                first, absent = seen, 0
            absent += 1
            time.sleep(LOOK_EVERY)
        return first

    # --- what they share -------------------------------------------------------------------------------------------

    def _shows(self, at_once: str, in_time: str, seen: Seen, what: str) -> None:
        when = f"at look {seen.looks}, {seen.seconds:.1f} s later"
        said = f"{what} {when}" if seen.came else f"not {what} in {seen.seconds:.0f} s"
        self._findings.saw(at_once, seen.came and seen.looks == 1, said)
        self._findings.saw(in_time, seen.came and seen.seconds <= LIST_LAG, said)

    def _create_call(self, vm_ids: list[str]) -> Answer:
        return self._answered(self._keep.create(self._context.evs, vm_ids))

    def _delete_call(self, vm_ids: list[str]) -> Answer:
        return self._answered(self._keep.delete(self._context.evs, vm_ids))

    def _answered(self, answer: Answer) -> Answer:
        self._context.note(answer)
        if not answer.is_taken and not answer.is_refused:
            raise PartOver(f"{answer.operation} was not answered: {answer.words}")
        return answer


def _has_fraction(text: str) -> bool:
    return not text.startswith('"') and not float(text).is_integer()


def _all_deleted(rows: list[Row]) -> bool:
    return not present(rows)
