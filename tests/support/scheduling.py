"""Spreads tests over the processes of a run one by one, but keeps a file together whose tests share what is dear.

A plugin of pytest for its -p option. xdist's own groups have no effect with this pytest, which makes node ids anew.
"""

from typing import Any

from xdist.scheduler import LoadScopeScheduling

#: Their tests look at what one fixture has done, which takes long, or use the function that one has deployed.
TOGETHER = ("tests/e2e/test_role.py", "tests/e2e/test_examples.py", "tests/upgrade/test_contract.py")


class Scheduling(LoadScopeScheduling):
    """The largest unit first, which is also the one that takes longest."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return path if path in TOGETHER else nodeid


def pytest_xdist_make_scheduler(config: Any, log: Any) -> Scheduling:
    return Scheduling(config, log)
