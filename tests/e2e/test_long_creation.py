"""Five minutes of creation with a function that may run for one: too slow for every day, so `make soak` runs it."""

import pytest

from tests.e2e.conftest import Cloud
from tests.e2e.stacks import Variant

pytestmark = pytest.mark.slow

CREATION, FUNCTION_TIMEOUT = 300, 60


def test_five_minutes_of_creation_with_a_function_of_one_minute(cloud: Cloud) -> None:
    cloud.evs.set(create_latency=CREATION)
    variant = Variant(cloud.name(), ["vm-101", "vm-102"], timeout=600, function_timeout=FUNCTION_TIMEOUT)
    done = cloud.cdk("deploy", "--method", "direct", app=cloud.synthesized(variant), limit=500)
    assert done.exit_code == 0, done.output
    assert CREATION < done.seconds < CREATION + 40
    assert cloud.held() == ["vm-101", "vm-102"]
    assert len(cloud.evs.calls("CreateEntitlement")) == 1
    lines = [line for line in cloud.aws.function_logs() if f"/{variant.name}/" in line]
    invocations = sum("START RequestId" in line for line in lines)
    print(f"{done.seconds:.0f} s, {invocations} invocations, {len(cloud.evs.calls())} calls of EVS")
    assert invocations >= CREATION // FUNCTION_TIMEOUT
    cloud.evs.set(create_latency=0)
    cloud.destroyed(variant)
    assert cloud.evs.rows() == []
