"""Rows that say little: no member of a row is required by EVS's model."""

from typing import Any

import pytest

from .rows import Where
from .scene import Scene, SceneStack, vms


def shows_without(world: Scene, monkeypatch: pytest.MonkeyPatch, vm_id: str, *members: str, but: Any = None) -> None:
    """Let the list show the rows of a VM without some members, or with these empty."""
    page = world.listing.page

    def showing(where: Where, token: str | None, most: int) -> dict[str, Any]:
        answer = page(where, token, most)
        rows = [
            {name: value for name, value in row.items() if row["vmId"] != vm_id or name not in members}
            | ({} if but is None or row["vmId"] != vm_id else dict.fromkeys(members, but))
            for row in answer["entitlements"]
        ]
        return {**answer, "entitlements": rows}

    monkeypatch.setattr(world.listing, "page", showing)


@pytest.mark.parametrize("status", [None, ""])
def test_our_own_without_a_status_is_deleted(
    world: Scene, stack: SceneStack, monkeypatch: pytest.MonkeyPatch, status: str | None
) -> None:
    """What is not known may have to be paid for."""
    stack.declare(vms(1, 3))
    shows_without(world, monkeypatch, "vm-2", "status", but=status)
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())


@pytest.mark.parametrize("status", [None, ""])
def test_what_has_no_status_and_is_not_ours_is_somebody_elses(
    world: Scene, stack: SceneStack, monkeypatch: pytest.MonkeyPatch, status: str | None
) -> None:
    world.weather.held_answer = "taken"
    world.by_hand("vm-2")
    shows_without(world, monkeypatch, "vm-2", "status", but=status)
    operation = stack.declare(vms(1, 3))
    assert (stack.status, world.entitled()) == ("ROLLBACK_COMPLETE", {"vm-2"})
    assert "vm-2" in operation.requests[0].answer["Reason"]
    assert world.calls("CreateEntitlement") == []


def test_without_its_table_what_has_no_status_is_deleted(
    world: Scene, stack: SceneStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.declare(vms(1, 3))
    world.run_for(200)
    stack.model.table.is_gone = True
    shows_without(world, monkeypatch, "vm-2", "status")
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())


@pytest.mark.parametrize(
    "members", [("startedAt",), ("startedAt", "lastSyncedAt"), ("connectorId", "environmentId", "type", "vmName")]
)
def test_a_row_without_its_times_or_its_place(
    world: Scene, stack: SceneStack, monkeypatch: pytest.MonkeyPatch, members: tuple[str, ...]
) -> None:
    """The list is of one connector. Whose an entitlement is, calls tell without its times, too."""
    world.by_hand("vm-9")
    shows_without(world, monkeypatch, "vm-2", *members)
    stack.declare(vms(1, 3))
    stack.declare(vms(3, 4))
    assert (stack.status, world.entitled()) == ("UPDATE_COMPLETE", {"vm-3", "vm-4", "vm-9"})
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", {"vm-9"})
