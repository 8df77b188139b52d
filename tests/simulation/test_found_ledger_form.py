"""What breaking the product on purpose has found about a ledger whose stored form is damaged.

Each scene is judged when its test ends: nothing left behind, nothing foreign touched, every request answered once. So
many a test asserts only what the judge does not know.
"""

import itertools
import zlib
from typing import Any

import pytest

from .scene import Scene, SceneStack
from .world import THERE


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        *itertools.product(
            ["Body", "Version", "Calls", "Claims"],
            [{"B": b"garbage"}, {"S": "text"}, {"N": "x"}, {"M": {"one": {"N": "1"}}}],
        ),
        ("Body", None),
        ("Version", None),
        ("Body", {"B": zlib.compress(b"[]")}),
        ("Body", {"B": zlib.compress(b'{"readableBy": 2, "form": 2}')}),
        ("Body", {"B": zlib.compress(b'{"readableBy": 1}')}),
        ("Body", {"B": zlib.compress(b'{"readableBy": "x"}')}),
        ("Body", {"B": zlib.compress(b'{"readableBy": null}')}),
    ],
)
@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
def test_a_damaged_ledger_is_told_in_words_and_changes_nothing(
    world: Scene, stack: SceneStack, attribute: str, value: dict[str, Any] | None, kind: str
) -> None:
    stack.declare(["vm-1"])
    world.run_for(2)
    backup = stack.model.table.backup()
    damaged = {}
    for key, item in backup.items():
        damaged[key] = {name: one for name, one in item.items() if name != attribute}
        if value is not None:
            damaged[key][attribute] = value
    stack.model.table.restore(damaged)
    logical_id = "Web" if kind == "Create" else "Windows"
    given = ["vm-1", "vm-2"] if kind != "Delete" else ["vm-1"]
    request = stack.issue(kind, given, None if kind == "Create" else stack.physical_id, logical_id=logical_id)
    request.excuses.add("garbage")
    before = len(world.story.facts)
    answer = stack.answer(request)
    if answer["Status"] == "FAILED":
        assert "unexpected error" not in answer["Reason"]
        assert "Error -3" not in answer["Reason"] or "ledger" in answer["Reason"]
        assert "ledger" in answer["Reason"]
        assert not world.calls("CreateEntitlement", before)
        assert not world.calls("DeleteEntitlement", before)
        stack.model.table.restore(backup)
    world.run_for(400)
    if kind == "Create":
        stack.ask("Delete", given, answer["PhysicalResourceId"], logical_id="Web")
        del stack.model.resources["Web"]
    stack.delete()
    assert not world.entitled(THERE)
