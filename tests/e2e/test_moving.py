"""Moving VMs from one stack to another: the way that loses nothing, and the tempting ones that do not work.

docs/moving-vms.md describes each of them to users.
"""

from dataclasses import replace

from testing.observed import changing_calls
from tests.e2e.conftest import Cloud
from tests.e2e.stacks import Variant


def test_a_whole_set_moves_by_retain_then_adopt_without_a_gap(cloud: Cloud) -> None:
    old = Variant(cloud.name(), ["vm-101", "vm-102"])
    new = Variant(cloud.name(), ["vm-101", "vm-102"], adopt_existing=True)
    cloud.deployed(old)
    since = cloud.evs.calls()[-1]["time"]

    retained = replace(old, retain=True)
    cloud.deployed(retained)
    cloud.destroyed(retained)
    assert cloud.held() == ["vm-101", "vm-102"]
    cloud.deployed(new)

    assert cloud.always_licensed("vm-101")
    assert cloud.always_licensed("vm-102")
    assert changing_calls(cloud.aws, ["vm-101", "vm-102"], since=since + 0.001) == []
    cloud.destroyed(new)
    assert cloud.held() == []


def test_one_vm_of_a_set_moves_by_retaining_the_whole_set(cloud: Cloud) -> None:
    old = Variant(cloud.name(), ["vm-101", "vm-102", "vm-103"], retain=True)
    new = Variant(cloud.name(), ["vm-103"], adopt_existing=True)
    cloud.deployed(old)

    cloud.deployed(replace(old, vm_ids=[]))
    assert cloud.held() == ["vm-101", "vm-102", "vm-103"]
    cloud.deployed(new)
    rest = replace(old, vm_ids=["vm-101", "vm-102"], adopt_existing=True, retain=False)
    cloud.deployed(rest)

    assert all(map(cloud.always_licensed, ["vm-101", "vm-102", "vm-103"]))
    cloud.destroyed(rest)
    assert cloud.held() == ["vm-103"]
    cloud.destroyed(new)
    assert cloud.held() == []


def test_one_vm_of_a_set_moves_while_its_stack_keeps_another_set(cloud: Cloud) -> None:
    old = Variant(cloud.name(), ["vm-101", "vm-102", "vm-103"], retain=True, elsewhere=["vm-110"])
    new = Variant(cloud.name(), ["vm-103"], adopt_existing=True)
    cloud.deployed(old)
    cloud.deployed(replace(old, vm_ids=[]))
    cloud.deployed(new)
    rest = replace(old, vm_ids=["vm-101", "vm-102"], adopt_existing=True, retain=False)
    cloud.deployed(rest)
    assert all(map(cloud.always_licensed, ["vm-101", "vm-102", "vm-103"]))

    cloud.deployed(replace(rest, vm_ids=["vm-101"]))
    assert cloud.held() == ["vm-101", "vm-103"]
    cloud.destroyed(rest)
    assert cloud.held() == ["vm-103"]


def test_declaring_a_vm_in_the_second_stack_first_fails_and_says_what_to_do(cloud: Cloud) -> None:
    old = Variant(cloud.name(), ["vm-101", "vm-102"])
    cloud.deployed(old)
    second = Variant(cloud.name(), ["vm-102"])
    cloud.refused(second, "vm-102", "already entitled, and not by this stack", "adopt_existing", "RETAIN")
    assert all(map(cloud.always_licensed, ["vm-101", "vm-102"]))
    cloud.destroyed(old)


def test_adopting_while_the_first_stack_still_declares_it_loses_the_vm_when_it_leaves_there(cloud: Cloud) -> None:
    old = Variant(cloud.name(), ["vm-101", "vm-102"])
    new = Variant(cloud.name(), ["vm-102"], adopt_existing=True)
    cloud.deployed(old)
    cloud.deployed(new)
    cloud.deployed(replace(old, vm_ids=["vm-101"]))
    assert cloud.held() == ["vm-101"]

    # The second stack still declares it: any change of its set entitles it again.
    cloud.deployed(replace(new, vm_ids=["vm-102", "vm-103"]))
    assert cloud.held() == ["vm-101", "vm-102", "vm-103"]


def test_retain_does_not_keep_a_vm_that_alone_leaves_the_set(cloud: Cloud) -> None:
    old = Variant(cloud.name(), ["vm-101", "vm-102"], retain=True)
    cloud.deployed(old)
    cloud.deployed(replace(old, vm_ids=["vm-101"]))
    assert cloud.held() == ["vm-101"]


def test_an_adoption_that_is_rolled_back_gives_the_vm_back(cloud: Cloud) -> None:
    name = cloud.name()
    cloud.aws.boto3_client("ssm").put_parameter(Name=f"/taken/{name}", Value="1", Type="String")
    cloud.evs.entitle(["vm-104"])
    variant = Variant(name, ["vm-103", "vm-104"], adopt_existing=True, neighbour=f"/taken/{name}")
    done = cloud.refused(variant, "Neighbour")
    assert cloud.held() == ["vm-104"]
    assert changing_calls(cloud.aws, ["vm-104"], since=done.began) == []
