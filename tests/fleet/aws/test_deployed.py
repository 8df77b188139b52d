"""What a stack declares, read from its resources and its ledger, in every condition that a stack can be in."""

from collections.abc import Iterator
from typing import Any

import pytest

from evs_fleet.aws import deployed
from evs_fleet.aws.failures import NotFound
from evs_fleet.errors import AwsError
from lambda_handler.ledger.packing import packed_body
from lambda_handler.ledger.records import DeclaredSet
from lambda_handler.ledger.state import State
from lambda_handler.values import Connector

PLACE = ("env-abcde12345", "cnctr-abcde12345")
STACK_ID = "arn:aws:cloudformation:us-east-1:111122223333:stack/Licences/1"


def declared_set(*vm_ids: str, live: bool = True) -> DeclaredSet:
    return DeclaredSet("Windows", Connector(*PLACE), frozenset(vm_ids), "request", 1, live=live)


class Account:
    """CloudFormation and DynamoDB with one stack."""

    def __init__(self, status: str, resources: dict[str, tuple[str, str]], body: bytes | None) -> None:
        self.status, self.resources, self.body = status, resources, body
        self.table_is_gone = False

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        if (service, operation) == ("cloudformation", "describe_stacks"):
            return {"Stacks": [{"StackId": STACK_ID, "StackName": "Licences", "StackStatus": self.status}]}
        assert (service, operation) == ("dynamodb", "get_item")
        assert parameters["Key"] == {"Id": {"S": STACK_ID}}
        if self.table_is_gone:
            raise NotFound("dynamodb:GetItem: ResourceNotFoundException: no such table")
        return {"Item": {"Body": {"B": self.body}}} if self.body is not None else {}

    def items(self, service: str, operation: str, key: str, **_: Any) -> Iterator[dict[str, Any]]:
        assert (service, operation, key) == ("cloudformation", "list_stack_resources", "StackResourceSummaries")
        for logical_id, (kind, physical_id) in self.resources.items():
            more = {"PhysicalResourceId": physical_id} if physical_id else {}
            yield {"LogicalResourceId": logical_id, "ResourceType": kind, **more}


RESOURCES = {
    "EvsEntitlementsProviderLedger0C52AB1E": ("AWS::DynamoDB::Table", "Licences-Ledger"),
    "EvsEntitlementsProviderRole3A2B1C0D": ("AWS::IAM::Role", "Licences-Role"),
    "EvsEntitlementsProviderInvokePolicyAABBCCDD": ("AWS::IAM::Policy", "Licences-Policy"),
    "Windows": ("Custom::EvsWindowsServerEntitlements", "set-1"),
    "Bucket": ("AWS::S3::Bucket", "bucket"),
}


def account(
    status: str = "UPDATE_COMPLETE", resources: dict[str, tuple[str, str]] | None = None, **sets: DeclaredSet
) -> Any:
    body = packed_body(State(sets={name.replace("_", "-"): one for name, one in sets.items()}))
    return Account(status, RESOURCES if resources is None else resources, body)


def test_the_set_that_cloudformation_names_is_declared() -> None:
    # set-0 is a former set whose clean-up failed: entitled, and declared by nothing.
    there = account(set_0=declared_set("vm-1", "vm-9"), set_1=declared_set("vm-1", "vm-2"))
    assert deployed.declared(there, "Licences") == {PLACE: {"vm-1", "vm-2"}}
    found = deployed.read(there, "Licences")
    assert (found.name, found.status, found.in_progress) == ("Licences", "UPDATE_COMPLETE", False)
    assert found.resource("Role") == "Licences-Role"
    assert found.resource("Ledger") == "Licences-Ledger"
    assert found.resource("Function") is None


def test_a_set_that_is_not_answered_yet_is_pending() -> None:
    there = account("UPDATE_IN_PROGRESS", set_1=declared_set("vm-1"), set_2=declared_set("vm-2", live=False))
    found = deployed.read(there, "Licences")
    assert found.declared == {PLACE: {"vm-1"}}
    assert found.pending == {PLACE: {"vm-2"}}
    assert found.in_progress


@pytest.mark.parametrize("resources", [{}, {"Windows": ("Custom::EvsWindowsServerEntitlements", "")}])
def test_a_stack_whose_creation_has_just_begun(resources: dict[str, tuple[str, str]]) -> None:
    found = deployed.read(account("CREATE_IN_PROGRESS", resources), "Licences")
    assert (found.declared, found.pending) == ({}, {})


@pytest.mark.parametrize("status", ["CREATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "DELETE_COMPLETE"])
def test_a_table_that_is_not_there_yet_or_no_longer(status: str) -> None:
    there = account(status)
    there.table_is_gone = True
    assert deployed.read(there, "Licences").declared == {}


def test_a_table_that_somebody_deleted() -> None:
    there = account()
    there.table_is_gone = True
    with pytest.raises(NotFound, match="no such table"):
        deployed.read(there, "Licences")


def test_a_ledger_without_an_entry() -> None:
    there = account("ROLLBACK_COMPLETE")
    there.body = None
    with pytest.raises(NotFound, match="its ledger has no entry"):
        deployed.read(there, "Licences")


def test_a_stack_without_entitlements() -> None:
    with pytest.raises(NotFound, match="declares no Windows Server entitlements"):
        deployed.read(account(resources={"Bucket": RESOURCES["Bucket"]}), "Licences")


@pytest.mark.parametrize("body", [b"", b"x" * 40, b"\x78\x9c\x03\x00\x00\x00\x00\x01"])
def test_a_ledger_of_another_form_is_one_clear_error(body: bytes) -> None:
    there = account()
    there.body = body
    with pytest.raises(AwsError, match="can't be read"):
        deployed.read(there, "Licences")
