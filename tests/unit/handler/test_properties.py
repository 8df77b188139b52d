"""ResourceProperties -> a validated value."""

from typing import Any

import pytest

from lambda_handler.cloudformation.properties import Properties, service_timeout
from lambda_handler.errors import Failure
from lambda_handler.values import Connector

GIVEN = {"EnvironmentId": "env-abcde12345", "ConnectorId": "cnctr-abcde12345", "VmIds": ["vm-1", "vm-2"]}


def test_what_is_right_passes() -> None:
    properties = Properties.parse({**GIVEN, "AdoptExisting": "true", "ServiceToken": "arn:..."})
    assert properties == Properties(
        Connector("env-abcde12345", "cnctr-abcde12345"), frozenset({"vm-1", "vm-2"}), adopt_existing=True
    )


@pytest.mark.parametrize(
    ("given", "adopt"), [({}, False), ({"AdoptExisting": "False"}, False), ({"AdoptExisting": True}, True)]
)
def test_adopt_existing_in_every_form(given: Any, adopt: bool) -> None:
    assert Properties.parse({**GIVEN, **given}).adopt_existing is adopt


def test_lists_nest_and_repeat() -> None:
    assert Properties.parse({**GIVEN, "VmIds": [["vm-3", ["vm-1"]], "vm-3"]}).vm_ids == {"vm-1", "vm-3"}


@pytest.mark.parametrize(
    "vm_ids",
    [
        [["vm-101,vm-102"]],
        ["vm-101", [""], "vm-102"],
        [["vm-101", " vm-102"]],
        ["vm-101, vm-102 ,", "", []],
        [["vm-101"], ["vm-102", ["vm-101"]]],
    ],
)
def test_what_is_a_plain_list_to_a_person_is_one(vm_ids: Any) -> None:
    assert Properties.parse({**GIVEN, "VmIds": vm_ids}).vm_ids == {"vm-101", "vm-102"}


@pytest.mark.parametrize("vm_ids", [[], [[]], [""], [[" ", ","]]])
def test_a_list_of_no_vms_is_an_error(vm_ids: Any) -> None:
    with pytest.raises(Failure, match="VmIds: got an empty list"):
        Properties.parse({**GIVEN, "VmIds": vm_ids})


@pytest.mark.parametrize(
    ("given", "policy"),
    [({}, "DESTROY"), ({"RemovalPolicy": "RETAIN"}, "RETAIN"), ({"RemovalPolicy": "retain"}, "RETAIN")],
)
def test_the_removal_policy(given: Any, policy: str) -> None:
    assert Properties.parse({**GIVEN, **given}).removal_policy == policy


def test_a_wrong_removal_policy_is_shown() -> None:
    with pytest.raises(Failure, match="RemovalPolicy: got 'SNAPSHOT', expected DESTROY or RETAIN"):
        Properties.parse({**GIVEN, "RemovalPolicy": "SNAPSHOT"})


@pytest.mark.parametrize(
    "wrong",
    ["vm-", "VM-1", "vm-1\n", "vm-1;vm-2", "vm-\u0661", "vm-" + "1" * 1022, None, 7, {"Ref": "x"}],
)
def test_a_wrong_vm_id_is_shown(wrong: Any) -> None:
    with pytest.raises(Failure, match=r"VmIds: got .*, expected vm-"):
        Properties.parse({**GIVEN, "VmIds": ["vm-1", wrong]})


def test_many_wrong_ids_are_counted_not_listed() -> None:
    with pytest.raises(Failure) as raised:
        Properties.parse({**GIVEN, "VmIds": [f"i-{n}" for n in range(5000)]})
    assert "4,990 more" in str(raised.value)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("name", ["EnvironmentId", "ConnectorId", "VmIds"])
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(Failure, match=f"{name} is missing: expected"):
        Properties.parse({key: value for key, value in GIVEN.items() if key != name})


@pytest.mark.parametrize(
    ("given", "seconds"),
    [({}, 3600), ({"ServiceTimeout": "120"}, 120), ({"ServiceTimeout": "x"}, 3600), ({"ServiceTimeout": "9999"}, 3600)],
)
def test_service_timeout(given: Any, seconds: int) -> None:
    assert service_timeout(given) == seconds
