"""The order in which a run takes its tests: each has its turn once, and what is named is there."""

from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.scheduling import COMPUTED, FIRST, KINDS, ORDERS, TOGETHER, Scheduling, kind_of, rank_of

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("named", [*TOGETHER, *KINDS, *FIRST])
def test_what_is_named_is_there(named: str) -> None:
    path, _, name = named.partition("::")
    assert (ROOT / path).exists()
    assert f"def {name}(" in (ROOT / path).read_text() if name else True


@pytest.mark.parametrize("order", ORDERS)
def test_every_process_comes_to_every_kind(order: tuple[int, ...]) -> None:
    assert sorted(order) == sorted({*KINDS.values(), COMPUTED})


class Node:
    """A process of a run, as the scheduler sees it."""

    def __init__(self, number: int) -> None:
        self.gateway = SimpleNamespace(id=f"gw{number}")
        self.shutting_down = False
        self.sent: deque[int] = deque()

    def send_runtest_some(self, indices: list[int]) -> None:
        self.sent.extend(indices)

    def shutdown(self) -> None:
        self.shutting_down = True


def played(tests: list[str], processes: int) -> list[list[str]]:
    """Let each process in turn do one test; return what each has done."""
    config: Any = SimpleNamespace(
        option=SimpleNamespace(loadscopereorder=False), getvalue=lambda _: ["popen"] * processes
    )
    scheduling = Scheduling(config, None)
    nodes: list[Any] = [Node(number) for number in range(processes)]
    scheduling.numnodes = processes
    for node in nodes:
        scheduling.add_node(node)
        scheduling.add_node_collection(node, tests)
    scheduling.schedule()
    done: list[list[str]] = [[] for _ in nodes]
    while any(node.sent for node in nodes):
        for number, node in enumerate(nodes):
            if node.sent:
                done[number].append(tests[node.sent[0]])
                scheduling.mark_test_complete(node, node.sent.popleft())
    return done


TESTS = [
    *(f"tests/unit/handler/test_plan.py::test_{number}" for number in range(12)),
    *(f"tests/e2e/test_moving.py::test_{number}" for number in range(12)),
    *(f"tests/e2e/test_role.py::test_{number}" for number in range(3)),
    *(f"tests/integration/test_answer.py::test_{number}" for number in range(12)),
    *(f"tests/unit/constructs/test_app.py::test_{number}" for number in range(12)),
]


@pytest.mark.parametrize("processes", [1, 2, 4, 6, 7])
def test_each_test_has_its_turn_once(processes: int) -> None:
    assert sorted(test for done in played(TESTS, processes) for test in done) == sorted(TESTS)


def test_each_process_begins_with_a_kind_of_its_own_and_with_what_takes_longest() -> None:
    done = played(TESTS, 6)
    assert [kind_of(tests[0]) for tests in done] == [order[0] for order in ORDERS]
    assert done[0][:3] == [f"tests/e2e/test_role.py::test_{number}" for number in range(3)]
    assert rank_of(done[0][0]) == 0
