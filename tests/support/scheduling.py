"""Spreads tests over the processes of a run one by one, what waits beside what computes.

A plugin of pytest for its -p option. xdist's own groups have no effect with this pytest, which makes node ids anew.

Tests of one kind share what is dear: a local AWS, the CDK's Node. So each process begins with the tests of one kind,
and takes those of another kind only when there are no more of its own. Processes of different kinds run at once, so
that one computes while another waits for a stack or a clock.
"""

from collections import deque
from typing import Any

from xdist.scheduler import LoadScopeScheduling

#: Their tests look at what one fixture has done, which takes long, or use the function that one has deployed.
TOGETHER = (
    "tests/audit/test_stacks.py",
    "tests/e2e/test_role.py",
    "tests/e2e/test_examples.py",
    "tests/upgrade/test_contract.py",
)
#: Kinds of tests by how their paths begin: stacks that are deployed, the function's processes and what else calls a
#: local AWS, constructs, and what only computes.
DEPLOYED, CALLED, SYNTHESIZED, COMPUTED = range(4)
KINDS = {
    "tests/e2e/": DEPLOYED,
    "tests/integration/": CALLED,
    "tests/fleet/": CALLED,
    "tests/unit/constructs/": SYNTHESIZED,
    "tests/upgrade/test_contract.py": SYNTHESIZED,
    "tests/audit/": SYNTHESIZED,
}
#: The kinds that a process takes, in its order: the first process those of the first line, and so on, then anew.
ORDERS = (
    (DEPLOYED, COMPUTED, SYNTHESIZED, CALLED),
    (CALLED, DEPLOYED, COMPUTED, SYNTHESIZED),
    (SYNTHESIZED, COMPUTED, CALLED, DEPLOYED),
    (DEPLOYED, COMPUTED, SYNTHESIZED, CALLED),
    (CALLED, DEPLOYED, COMPUTED, SYNTHESIZED),
    (COMPUTED, SYNTHESIZED, CALLED, DEPLOYED),
)
#: What takes longest comes first, or the run would end with it.
FIRST = (
    "tests/e2e/test_role.py",
    "tests/e2e/test_app.py::test_deploy_update_failing_update_destroy",
    "tests/e2e/test_examples.py",
    "tests/integration/test_outliving.py",
    "tests/integration/test_overlap.py",
    "tests/integration/test_answer.py",
    "tests/integration/test_old_botocore.py",
    "tests/audit/test_stacks.py",
    "tests/unit/test_docs_samples.py",
    "tests/unit/monitor/test_run.py",
    "tests/upgrade/",
    "tests/simulation/test_histories.py",
)


def kind_of(unit: str) -> int:
    """Return the kind of a test, or of a file of tests."""
    return next((kind for begin, kind in KINDS.items() if unit.startswith(begin)), COMPUTED)


def rank_of(unit: str) -> int:
    """Return how early a unit is wanted among those of its kind."""
    return next((number for number, begin in enumerate(FIRST) if unit.startswith(begin)), len(FIRST))


class Scheduling(LoadScopeScheduling):
    """Gives each process units of its own kind for as long as there are some."""

    def __init__(self, config: Any, log: Any) -> None:
        super().__init__(config, log)
        self._waiting: dict[int, deque[str]] = {}

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return path if path in TOGETHER else nodeid

    def _assign_work_unit(self, node: Any) -> None:
        if not self._waiting:
            for unit in sorted(self.workqueue, key=rank_of):
                self._waiting.setdefault(kind_of(unit), deque()).append(unit)
        self._bring_forward(ORDERS[int(node.gateway.id.removeprefix("gw")) % len(ORDERS)])
        super()._assign_work_unit(node)

    def _bring_forward(self, order: tuple[int, ...]) -> None:
        """Put what a process is to take next to the head of the queue."""
        for kind in order:
            waiting = self._waiting.get(kind)
            while waiting:
                unit = waiting.popleft()
                # Another process may have had it: what is left of one that has died comes by itself.
                if unit in self.workqueue:
                    self.workqueue.move_to_end(unit, last=False)
                    return


def pytest_xdist_make_scheduler(config: Any, log: Any) -> Scheduling:
    return Scheduling(config, log)
