"""Fixtures of tests that drive the staged asset, and which of them wait too long for every run.

The simulation shows in virtual time what most of these tests show in real processes. Those that wait long are marked
`long`: `make test` leaves them out, `make test-long` runs them too.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_aws import EvsApi, EvsControl, Settings, World
from local_aws.inventory import healthy_inventory
from tests.support.cloudformation import Stack
from tests.support.database import Database
from tests.support.evs_api import Clock, client_of

HERE = Path(__file__).parent
#: Files of which every test is long, and long tests of the others.
LONG_FILES = frozenset(
    {"test_declaring.py", "test_removal.py", "test_riding_out.py", "test_hard_histories.py", "test_lifecycle.py"}
)
LONG = {
    "test_answer.py": ("test_the_answer_outlives_the_invocation",),
    "test_explaining.py": ("test_a_create_that_waits",),
    "test_outliving.py": ("",),
    "test_overlap.py": ("",),
}
#: Of those, what only a real process shows is part of every run.
SHORT = (
    "test_creation_outlives_the_function",
    "test_killed_anywhere_and_retried[5-before-Create]",
    "test_killed_anywhere_and_retried[5-after-Create]",
    "test_killed_anywhere_and_retried[0-after-Create]",
    "test_killed_anywhere_and_retried[5-after-Delete]",
    "test_a_create_that_is_stopped_anywhere_while_its_delete_runs[5-before]",
    "test_an_update_that_is_stopped_anywhere_while_the_rollback_runs[5-after]",
    "test_a_process_held_up_between_ledger_and_call_does_not_call_any_more",
    "test_adopting_takes_over_without_a_call",
    "test_batches_of_100_and_pages",
    "test_delete_removes_the_set_and_nothing_else",
    "test_access_denied_that_heals",
    "test_throttled_with_a_time_to_wait",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the long tests of this folder."""
    for item in items:
        name = item.path.name
        is_long = name in LONG_FILES or any(item.name.startswith(begin) for begin in LONG.get(name, ()))
        if item.path.parent == HERE and is_long and not item.name.startswith(SHORT):
            item.add_marker("long")


@pytest.fixture
def big_stack(stack: Stack) -> Stack:
    """A stack in an environment with 11,000 further healthy VMs, vm-1001 and on."""
    # The world is reset, inventory included, before the next test.
    stack.function.aws.api.world.vms.update(healthy_inventory(11_000).vms)
    return stack


@pytest.fixture
def database(stack: Stack) -> Iterator[Database]:
    """A DynamoDB with faults, for the stack's function."""
    environment = stack.function.aws.environment()
    database = Database(environment["AWS_ENDPOINT_URL"], environment["AWS_CA_BUNDLE"])
    stack.env["AWS_ENDPOINT_URL_DYNAMODB"] = database.url
    yield database
    database.close()


# --- the local EVS API by itself -------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def api(clock: Clock) -> Iterator[EvsApi]:
    """An EVS API in which time passes as the test says."""
    with EvsApi(world=World(settings=Settings(create_latency=10), clock=clock)) as api:
        # A clock of the test's own is not the one that requests are signed by.
        api.world.change_settings(check_clock_skew=False)
        yield api


@pytest.fixture
def evs(api: EvsApi) -> Any:
    return client_of(api)


@pytest.fixture
def control(api: EvsApi) -> EvsControl:
    return EvsControl(api.url)
