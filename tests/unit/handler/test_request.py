"""Requests and their order, and the ids that CloudFormation is given."""

import pytest

from lambda_handler.cloudformation.physical_id import failed_id, failed_request, is_set_id, set_id
from lambda_handler.cloudformation.request import Request
from lambda_handler.values import Connector

HERE = Connector("env-abcde12345", "cnctr-abcde12345")
EVENT = {
    "RequestType": "Create",
    "RequestId": "r-1",
    "StackId": "arn:aws:cloudformation:eu-west-1:1:stack/s/1",
    "LogicalResourceId": "Windows",
    "ResourceProperties": {},
}


def request(query: str) -> Request:
    return Request.of({**EVENT, "ResponseURL": f"https://bucket.example/key?{query}"})


@pytest.mark.parametrize(
    ("query", "issued"),
    [
        ("X-Amz-Date=20261123T101500Z&X-Amz-Expires=7200&X-Amz-Signature=x", "20261123T101500Z"),
        ("x-amz-date=20261123T101500Z", "20261123T101500Z"),
        ("AWSAccessKeyId=x&Expires=1893456000&Signature=y", None),
        ("X-Amz-Date=yesterday", None),
        ("", None),
    ],
)
def test_when_a_request_was_issued(query: str, issued: str | None) -> None:
    assert request(query).issued == issued


def test_a_request_without_a_date_was_issued_when_it_arrived() -> None:
    assert request("").issued_at(5.0) == 5.0
    assert request("X-Amz-Date=19700101T000100Z").issued_at(1e9) == 60.0
    assert request("X-Amz-Date=20991231T000000Z").issued_at(5.0) == 5.0


def test_a_request_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="RequestType: got 'Import'"):
        Request.of({**EVENT, "RequestType": "Import"})


@pytest.mark.parametrize(
    ("stack_id", "place"),
    [
        (EVENT["StackId"], "region eu-west-1 of account 1"),
        ("arn:aws-us-gov:cloudformation:us-gov-west-1:2:stack/s/1", "region us-gov-west-1 of account 2"),
        ("stack", ""),
        ("a:b:c:::f", ""),
    ],
)
def test_where_a_stack_is(stack_id: str, place: str) -> None:
    assert Request.of({**EVENT, "StackId": stack_id}).place == place


def test_the_id_of_a_set_never_changes() -> None:
    """Deployed stacks hold ids: this one was computed by the first version."""
    vm_ids = frozenset({"vm-9", "vm-10", "vm-0101", "vm-123456"})
    expected = "env-abcde12345/cnctr-abcde12345/2c72924494c0923f55473a794930f3fe"
    assert set_id("EvsEntitlementsEnvabcde12345Cnctrabcde12345", HERE, vm_ids) == expected


def test_the_same_set_has_the_same_id_and_no_other() -> None:
    ids = {
        set_id(logical_id, connector, frozenset(vm_ids))
        for logical_id in ("A", "B")
        for connector in (HERE, Connector("env-abcde12345", "cnctr-fghij67890"))
        for vm_ids in (["vm-1", "vm-2"], ["vm-12"], ["vm-1"])
    }
    assert len(ids) == 12
    assert all(map(is_set_id, ids))
    assert set_id("A", HERE, frozenset(["vm-1", "vm-2"])) == set_id("A", HERE, frozenset(["vm-2", "vm-1"]))


def test_the_id_of_a_failed_create_is_no_sets() -> None:
    assert failed_request(failed_id(7, "r-1")) == (7, "r-1")
    assert not is_set_id(failed_id(7, "r-1"))
    assert failed_request("made-up-by-cloudformation") is None
