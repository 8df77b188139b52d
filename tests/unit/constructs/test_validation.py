"""Wrong values are refused at synth, in words that say what came and what is due."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped]
import pytest
from aws_cdk import CfnParameter, Duration, RemovalPolicy
from aws_cdk.assertions import Annotations, Match

from evs_entitlements.event_size import EVENT_BYTES, EVENT_RESERVE_BYTES
from evs_entitlements.vm_id_hints import VM_ID_MAX_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.constructs.conftest import Synth


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("environment_id", "env-1", ValueError, "got 'env-1', expected a string that matches env-[a-zA-Z0-9]{10}"),
        ("environment_id", "env-abcde12345\n", ValueError, r"got 'env-abcde12345\n', expected"),
        ("environment_id", "", ValueError, "got '', expected"),
        ("environment_id", None, ValueError, "got None, expected"),
        ("connector_id", "cnctr-abcde1234", ValueError, "got 'cnctr-abcde1234', expected a string that matches cnctr-"),
        ("connector_id", "env-abcde12345", ValueError, "got 'env-abcde12345', expected"),
        ("vm_ids", [], ValueError, "got an empty list, expected one or more VM ids"),
        ("vm_ids", "vm-101", TypeError, "got 'vm-101' (str), expected a list of VM ids"),
        ("vm_ids", None, TypeError, "got None (NoneType), expected a list"),
        ("vm_ids", {"vm-1": True}, TypeError, "(dict), expected a list"),
        (
            "vm_ids",
            ["vm-1", "VM-2", 3],
            ValueError,
            "got 'VM-2', 3 (2 of 3 are wrong), expected VM ids such as vm-101, vm- and digits; 'VM-2' has capital let",
        ),
        ("vm_ids", ["vm-\u0661"], ValueError, "(1 of 1 are wrong)"),
        ("vm_ids", ["vm-1\n"], ValueError, r"got 'vm-1\n'"),
        ("vm_ids", ["vm-" + "1" * VM_ID_MAX_LENGTH], ValueError, "of at most 1024 characters"),
        ("adopt_existing", "true", TypeError, "got 'true' (str), expected True or False"),
        ("adopt_existing", 1, TypeError, "got 1 (int), expected True or False"),
        (
            "removal_policy",
            RemovalPolicy.SNAPSHOT,
            ValueError,
            "got SNAPSHOT, expected RemovalPolicy.DESTROY or RemovalPolicy.RETAIN",
        ),
        (
            "removal_policy",
            RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
            ValueError,
            "got RETAIN_ON_UPDATE_OR_DELETE, expected",
        ),
        ("removal_policy", "retain", ValueError, "got 'retain', expected"),
        ("timeout", 3600, TypeError, "got 3600 (int), expected a Duration"),
    ],
)
def test_wrong_value_is_named(synth: Synth, name: str, value: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as refusal:
        synth.declare(synth.stack, "Windows", "vm-1", **{name: value})
    assert str(refusal.value).startswith(f"{name}: got")
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("timeout", "came"),
    [
        (Duration.seconds(3601), "3601 seconds"),
        (Duration.days(1), "86400 seconds"),
        (Duration.seconds(0), "0 seconds"),
        (Duration.millis(60_500), "60.5 seconds"),
        (Duration.minutes(1 / 7), "8.57143 seconds"),
    ],
)
def test_timeout_out_of_range_is_refused(synth: Synth, timeout: Duration, came: str) -> None:
    with pytest.raises(
        ValueError, match=f"timeout: got {came}, expected a Duration of whole seconds from 1 second to 1 hour"
    ):
        synth.declare(synth.stack, "Windows", "vm-1", timeout=timeout)


@pytest.mark.parametrize("timeout", [Duration.seconds(1), Duration.hours(1), Duration.millis(61_000)])
def test_timeout_at_the_limits_is_taken(synth: Synth, timeout: Duration) -> None:
    synth.declare(synth.stack, "Windows", "vm-1", timeout=timeout)


@pytest.mark.parametrize(("seconds", "warned"), [(29, True), (30, False)])
def test_a_timeout_in_which_hardly_anything_can_be_done_is_warned_of(synth: Synth, seconds: int, warned: bool) -> None:
    synth.declare(synth.stack, "Windows", "vm-1", timeout=Duration.seconds(seconds))
    found = Annotations.from_stack(synth.stack).find_warning("/Stack/Windows", Match.string_like_regexp("timeout: got"))
    assert bool(found) == warned


def test_a_timeout_that_is_a_token_has_to_be_one_of_seconds(synth: Synth) -> None:
    minutes = CfnParameter(synth.stack, "Minutes", type="Number").value_as_number
    with pytest.raises(ValueError, match=r"timeout: got a token of minutes, expected .* or a token of seconds"):
        synth.declare(synth.stack, "Windows", "vm-1", timeout=Duration.minutes(minutes))


def test_a_path_is_no_token(synth: Synth) -> None:
    with pytest.raises(ValueError, match=r"environment_id: got PosixPath\('env'\), expected"):
        synth.declare(synth.stack, "Windows", "vm-1", environment_id=Path("env"))


def test_string_token_in_place_of_the_list_is_refused(synth: Synth) -> None:
    parameter = CfnParameter(synth.stack, "Joined").value_as_string
    with pytest.raises(TypeError, match=r"vm_ids: got .*Fn\.split"):
        synth.declare(synth.stack, "Windows", vm_ids=parameter)


def test_of_many_wrong_vm_ids_ten_are_named(synth: Synth) -> None:
    with pytest.raises(ValueError, match=r"'x9' and 15 more \(25 of 26 are wrong\)") as refusal:
        synth.declare(synth.stack, "Windows", "vm-1", *(f"x{number}" for number in range(25)))
    assert "x10" not in str(refusal.value)


def test_a_long_wrong_value_is_cut(synth: Synth) -> None:
    with pytest.raises(ValueError) as refusal:
        synth.declare(synth.stack, "Windows", "vm-1", environment_id="x" * 100_000)
    assert len(str(refusal.value)) < 200


def test_nothing_is_left_in_the_stack_when_a_value_is_refused(synth: Synth) -> None:
    with pytest.raises(ValueError):
        synth.declare(synth.stack, "Windows", vm_ids=[])
    assert [child.node.id for child in synth.stack.node.children] == ["Windows"]


@pytest.mark.parametrize("vm_ids", [("vm-2", "vm-1"), {"vm-1", "vm-2"}, iter(["vm-1", "vm-2"])])
def test_any_collection_will_do(synth: Synth, vm_ids: Any) -> None:
    synth.declare(synth.stack, "Windows", vm_ids=vm_ids)
    (resource,) = synth.entitlements().values()
    assert resource["Properties"]["VmIds"] == ["vm-1", "vm-2"]


class TestScale:
    def test_ten_thousand_vms_fit_and_cost_no_more_to_synthesize(self, new_synth: Callable[..., Synth]) -> None:
        process = psutil.Process()

        def spent() -> float:
            """Seconds of a core, of this process and of the CDK's: what else the machine does must not decide."""
            times = [one.cpu_times() for one in [process, *process.children(recursive=True)]]
            return float(sum(each.user + each.system for each in times))

        def seconds(count: int) -> float:
            synth = new_synth()
            start = spent()
            synth.declare(synth.stack, "Windows", *(f"vm-{number}" for number in range(100_000, 100_000 + count)))
            (resource,) = synth.entitlements().values()
            assert len(resource["Properties"]["VmIds"]) == count
            return spent() - start

        seconds(1)
        # The cost that matters is that of a whole run of the app, most of which is loading the CDK (2 s and
        # more): a bound on the difference does not depend on what this process has loaded already. `make
        # bench` has the ratio.
        few, many = (min(seconds(count) for _ in range(3)) for count in (1, 10_000))
        assert many - few < 0.7

    def test_the_largest_set_fits_a_lambda_event_twice(self, synth: Synth) -> None:
        def declare(block: int) -> None:
            first = 1_000_000 + block * 500
            synth.declare(synth.stack, f"W{block}", *(f"vm-{number}" for number in range(first, first + 500)))

        blocks = iter(range(100))
        with pytest.raises(ValueError, match="expected at most") as refusal:  # noqa: PT012  which one is the question
            for declared in blocks:
                declare(declared)
        fitting = declared * 500
        one_list = fitting * len('"vm-1000000",') + 1
        assert 2 * one_list + EVENT_RESERVE_BYTES <= EVENT_BYTES == 262_144
        assert fitting >= 9_500
        message = str(refusal.value)
        assert "an update carries them twice in a Lambda event of 256 KB" in message
        assert "split the VMs over 2 or more stacks, each VM in one of them" in message
        assert f"at Stack/W{declared}" in message
