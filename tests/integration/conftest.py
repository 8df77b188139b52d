"""Fixtures of tests that drive the staged asset."""

from collections.abc import Iterator

import pytest

from local_aws.inventory import healthy_inventory
from tests.support.cloudformation import Stack
from tests.support.database import Database


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
