"""The wait for what was created: until when, what the ledger learns, and what turns out to be somebody else's."""

from typing import Any

import pytest

from lambda_handler.cloudformation.properties import Properties
from lambda_handler.errors import Failure
from lambda_handler.evs.rows import Row, Status
from lambda_handler.steps.entitle import Entitling
from lambda_handler.steps.progress import Progress
from lambda_handler.steps.wait import Waiting
from lambda_handler.values import VmIds
from tests.support.room import HERE, START, Room, ids, row


class Wait:
    """A room in which VMs were just called for, and the wait for them."""

    def __init__(self, vm_ids: VmIds, *, adopts: bool = False, **deadlines: float) -> None:
        self.room = room = Room("Create", None, **deadlines)
        self.progress = Progress({}, {}, {})
        self.entitling = Entitling(room.context, Properties(HERE, vm_ids, adopt_existing=adopts), self.progress)
        self.entitling.create(vm_ids)
        self.waiting = Waiting(room.context, HERE, self.entitling, self.progress, adopts=adopts, last_page=None)


def created(now: float, *numbers: int, after: float = 5.0) -> list[Row]:
    status = Status.CREATED if now > START + after else Status.CREATING
    return [row(number, status, START + 0.2) for number in numbers]


def test_it_ends_when_all_are_created() -> None:
    wait = Wait(ids(1, 2))
    wait.room.listed = lambda now: created(now, 1, 2)
    wait.waiting.wait(ids(1, 2))
    assert 5 < wait.room.at - START < 8
    assert not wait.progress.missing(ids(1, 2))


def test_what_the_list_has_shown_is_ours_and_its_call_is_done_with() -> None:
    """A Delete that follows has nothing to wait for."""
    wait = Wait(ids(1))
    wait.room.listed = lambda now: created(now, 1)
    wait.waiting.wait(ids(1))
    wait.room.fence.write()
    assert wait.room.table.state.holding(HERE).owned == ids(1)
    assert wait.room.table.state.calls == {}


def test_what_turns_out_to_be_somebody_elses_is_not_ours_any_more() -> None:
    """EVS took the call, and lists an entitlement that began before it."""
    wait = Wait(ids(1, 2))
    wait.room.listed = lambda now: [row(1, started=START - 300.0), *created(now, 2)]
    wait.waiting.wait(ids(1, 2))
    assert "somebody else" in wait.progress.failed["vm-1"]
    assert wait.progress.made == ids(2)
    wait.room.fence.write()
    assert wait.room.table.state.may_be_ours(HERE) == ids(2)


def test_with_adopt_existing_it_is_taken_over_instead() -> None:
    wait = Wait(ids(1), adopts=True)
    wait.room.listed = lambda _: [row(1, started=START - 300.0)]
    wait.waiting.wait(ids(1))
    assert wait.progress.adopted == ids(1)
    assert not wait.progress.missing(ids(1))


def test_the_time_for_undoing_is_not_used_for_waiting() -> None:
    wait = Wait(ids(1, 2), answer_by=100.0, undo_time=40.0)
    wait.room.listed = lambda _: [row(1, started=START + 0.2), row(2, Status.CREATING, START + 0.2)]
    with pytest.raises(Failure, match="time is up: 1 VM of 2 still CREATING: vm-2"):
        wait.waiting.wait(ids(1, 2))
    assert 59.0 < wait.room.at - START < 62.0


def test_a_vm_that_evs_lists_no_more_is_called_for_once_again() -> None:
    wait = Wait(ids(1))
    wait.room.listed = lambda _: []
    wait.waiting.wait(ids(1))
    assert [vm_ids for _, _, vm_ids in wait.room.calls] == [ids(1), ids(1)]
    assert wait.progress.failed == {"vm-1": "EVS does not list it any more"}
    first, second = (at for at, _, _ in wait.room.calls)
    assert second - first >= wait.room.pace.list_lag


def test_a_failed_one_ends_the_wait_with_its_cause() -> None:
    wait = Wait(ids(1))
    failed: Any = {"error_code": "VM_GONE", "error_message": "why"}
    wait.room.listed = lambda _: [row(1, Status.CREATE_FAILED, START + 0.2, **failed)]
    wait.waiting.wait(ids(1))
    assert wait.progress.failed == {"vm-1": "VM_GONE: why"}
