"""Deployments that fail: what was entitled stays so, what was not is not, and the reason names the VM."""

from testing.observed import changing_calls, failures
from tests.e2e.conftest import Cloud
from tests.e2e.stacks import OTHER_CONNECTOR, Variant


def take_name(cloud: Cloud, name: str) -> None:
    cloud.aws.boto3_client("ssm").put_parameter(Name=name, Value="1", Type="String")


def test_a_create_that_fails_rolls_back_and_leaves_nothing(cloud: Cloud) -> None:
    name = cloud.name()
    failing = Variant(name, ["vm-101", "vm-201"])
    done = cloud.refused(failing, "1 of 2 VMs could not be entitled: vm-201: UNSUPPORTED_GUEST_OS")
    assert any("vm-201" in reason for reason in failures(cloud.aws, name, since=done.began))
    assert cloud.status(failing) == "ROLLBACK_COMPLETE"
    assert cloud.held() == []

    good = Variant(name, ["vm-101"])
    cloud.deployed(good)
    assert cloud.held() == ["vm-101"]
    cloud.destroyed(good)
    assert cloud.held() == []


def test_a_first_deployment_whose_neighbour_fails_leaves_nothing_even_with_retain(cloud: Cloud) -> None:
    name = cloud.name()
    take_name(cloud, f"/taken/{name}")
    variant = Variant(name, ["vm-101"], neighbour=f"/taken/{name}", retain=True)
    done = cloud.refused(variant, "Neighbour")
    assert cloud.status(variant) == "ROLLBACK_COMPLETE"
    assert changing_calls(cloud.aws, ["vm-101"], since=done.began) == [
        "CreateEntitlement vm-101",
        "DeleteEntitlement vm-101",
    ]
    assert cloud.held() == []


def test_an_update_whose_neighbour_fails_rolls_back_without_touching_the_old_set(cloud: Cloud) -> None:
    name = cloud.name()
    take_name(cloud, f"/taken/{name}")
    cloud.deployed(Variant(name, ["vm-101", "vm-102"]))
    failing = Variant(name, ["vm-101", "vm-103"], neighbour=f"/taken/{name}")
    done = cloud.refused(failing, "Neighbour")
    assert cloud.status(failing) == "UPDATE_ROLLBACK_COMPLETE"
    assert cloud.held() == ["vm-101", "vm-102"]
    assert changing_calls(cloud.aws, ["vm-101", "vm-102"], since=done.began) == []
    assert changing_calls(cloud.aws, ["vm-103"], since=done.began) == [
        "CreateEntitlement vm-103",
        "DeleteEntitlement vm-103",
    ]
    cloud.destroyed(Variant(name, ["vm-101", "vm-102"]))
    assert cloud.held() == []


def test_a_create_that_fails_with_rollback_off_then_a_deletion_of_the_stack(cloud: Cloud) -> None:
    failing = Variant(cloud.name(), ["vm-101", "vm-201"])
    cloud.refused(failing, "vm-201", rollback=False)
    assert cloud.status(failing) == "CREATE_FAILED"
    assert cloud.held() == []
    cloud.destroyed(failing)
    assert cloud.held() == []


def test_an_update_that_fails_with_rollback_off_then_a_deletion_of_the_stack(cloud: Cloud) -> None:
    name = cloud.name()
    take_name(cloud, f"/taken/{name}")
    cloud.deployed(Variant(name, ["vm-101", "vm-102"]))
    # The new set is made, then a neighbour fails: both sets exist until the stack goes.
    failing = Variant(name, ["vm-101", "vm-103"], neighbour=f"/taken/{name}")
    cloud.refused(failing, "Neighbour", rollback=False)
    assert cloud.status(failing) == "UPDATE_FAILED"
    assert cloud.held() == ["vm-101", "vm-102", "vm-103"]
    cloud.destroyed(failing)
    assert cloud.held() == []


def test_another_connector_is_entitled_before_the_former_one_is_not(cloud: Cloud) -> None:
    name = cloud.name()
    cloud.deployed(Variant(name, ["vm-101"]))
    moved = Variant(name, ["vm-101"], connector_id=OTHER_CONNECTOR)
    done = cloud.deployed(moved)
    assert cloud.held() == []
    assert cloud.evs.held(connector_id=OTHER_CONNECTOR) == ["vm-101"]
    assert changing_calls(cloud.aws, ["vm-101"], since=done.began)
    assert cloud.always_licensed("vm-101")
    cloud.destroyed(moved)
    assert cloud.evs.rows() == []


def test_two_stacks_that_claim_the_same_vm(cloud: Cloud) -> None:
    first = Variant(cloud.name(), ["vm-101", "vm-102"])
    second = Variant(cloud.name(), ["vm-102", "vm-103"])
    cloud.deployed(first)
    done = cloud.refused(second, "already entitled, and not by this stack: vm-102")
    assert changing_calls(cloud.aws, ["vm-101", "vm-102", "vm-103"], since=done.began) == []
    cloud.destroyed(second)
    assert cloud.held() == ["vm-101", "vm-102"]
    cloud.destroyed(first)
    assert cloud.held() == []
