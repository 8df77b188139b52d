"""Fixtures of tests that drive the staged asset."""

import pytest

from local_aws.inventory import healthy_inventory
from tests.support.cloudformation import Stack


@pytest.fixture
def big_stack(stack: Stack) -> Stack:
    """A stack in an environment with 11,000 further healthy VMs, vm-1001 and on."""
    # The world is reset, inventory included, before the next test.
    stack.function.aws.api.world.vms.update(healthy_inventory(11_000).vms)
    return stack
