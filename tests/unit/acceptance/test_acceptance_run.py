"""How an acceptance run begins, is cut short, and reads what happened: with stand-ins for AWS."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from acceptance.deployments import Deployments, last_line
from acceptance.errors import AcceptanceError, Interrupted
from acceptance.evs_calls import Answer, EvsCalls
from acceptance.function_log import FunctionLog
from acceptance.options import Options
from acceptance.place import is_held, settled, started
from acceptance.preflight import place_of
from acceptance.run import Signals
from acceptance.safekeeping import Record, Safekeeping
from evs_fleet.aws.session import Session
from evs_fleet.errors import AwsError
from testing.cdk import Done

ENVIRONMENT, CONNECTOR = "env-abcde12345", "cnctr-abcde12345"


class Aws:
    """A session whose answers are given beforehand, by operation."""

    region = "us-east-1"
    profile = None

    def __init__(self, **answers: Any) -> None:
        self.answers = answers

    def items(self, service: str, operation: str, key: str, **_: Any) -> Iterator[dict[str, Any]]:
        answer = self.answers[operation]
        if isinstance(answer, AwsError):
            raise answer
        yield from answer

    def call(self, service: str, operation: str, **_: Any) -> Any:
        return next(iter(self.items(service, operation, "")))

    def caller(self) -> tuple[str, str]:
        return "123456789012", "arn"


class Evs:
    def __init__(self, *rows: dict[str, Any], skew: float = 0.0) -> None:
        self._rows, self._skew = list(rows), skew

    def pages(self, environment_id: str, connector_id: str, size: int = 100) -> Iterator[Answer]:
        yield Answer("ListVmEntitlements", {}, 200, "", "", {"entitlements": self._rows}, "", 0.0, 0.0, self._skew)


def place(connectors: list[dict[str, Any]], evs: Evs, **changed: Any) -> str:
    given: dict[str, Any] = {
        "environment": ENVIRONMENT,
        "vm": "vm-1",
        "second": None,
        "connector": None,
        "parts": ("life", "stack"),
        "is_sure": True,
        "cleans_up": False,
        "directory": Path(),
        **changed,
    }
    aws = Aws(list_environment_connectors=connectors, get_parameter=[{}])
    return place_of(Options(**given), cast(Session, aws), cast(EvsCalls, evs)).connector


def connector(**changed: Any) -> dict[str, Any]:
    return {"connectorId": CONNECTOR, "type": "VCENTER", "state": "ACTIVE", "checks": [], **changed}


def test_the_one_connector_is_taken() -> None:
    manager = connector(connectorId="cnctr-fghij67890", type="SDDC_MANAGER")
    assert place([manager, connector()], Evs({"vmId": "vm-1", "status": "DELETED"})) == CONNECTOR


@pytest.mark.parametrize("status", ["CREATED", "CREATING", "AT_RISK", "ENTITLEMENT_REMOVED", "CREATE_FAILED", "NEW"])
def test_a_vm_with_any_row_is_refused(status: str) -> None:
    with pytest.raises(AcceptanceError, match=f"vm-1: EVS lists an entitlement already \\({status} at"):
        place([connector()], Evs({"vmId": "vm-1", "status": status}))


@pytest.mark.parametrize(
    ("connectors", "evs", "said"),
    [
        ([], Evs(), "has not one connector of type VCENTER but: none"),
        ([connector(), connector(connectorId="cnctr-fghij67890")], Evs(), "cnctr-abcde12345, cnctr-fghij67890"),
        ([connector(state="UPDATING")], Evs(), "it is UPDATING"),
        (
            [connector(checks=[{"type": "VCENTER_REACHABILITY", "result": "FAILED"}])],
            Evs(),
            "VCENTER_REACHABILITY fail",
        ),
        ([connector()], Evs(skew=3.4), "this machine's clock is 3 s behind that of AWS"),
        ([connector()], Evs(skew=-7.0), "this machine's clock is 7 s ahead of that of AWS"),
    ],
)
def test_where_nothing_can_be_entitled_it_does_not_begin(connectors: list[dict[str, Any]], evs: Evs, said: str) -> None:
    with pytest.raises(AcceptanceError) as raised:
        place(connectors, evs)
    assert said in str(raised.value)


def test_a_connector_of_another_type_is_refused() -> None:
    with pytest.raises(AcceptanceError, match="is no connector of type VCENTER"):
        place([connector()], Evs(), connector="cnctr-fghij67890")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1795746192.641, 1795746192.641),
        (1795746192, 1795746192.0),
        ("2026-11-27T02:23:12Z", 1795746192.0),
        (None, None),
    ],
)
def test_a_time_is_read_in_every_form_that_an_sdk_takes(value: Any, seconds: float | None) -> None:
    assert started({"startedAt": value}) == seconds


def test_what_is_held_and_what_is_settled() -> None:
    assert is_held({"status": "SOMETHING_NEW"})
    assert not is_held({})
    assert not settled([{"status": "DELETED"}])
    assert not settled([{"status": "DELETED"}, {"status": "CREATING"}])
    assert settled([{"status": "DELETED"}, {"status": "CREATE_FAILED"}])


def test_one_signal_ends_the_parts_and_none_the_clean_up(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    signals = Signals(said.append)
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        signals.catch()
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGTERM)
        assert signals.came
        os.kill(os.getpid(), signal.SIGINT)
        signals.hold()
        os.kill(os.getpid(), signal.SIGHUP)
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    assert said == ["cleaning up; please wait"] * 2


def test_events_are_those_of_the_last_operation(tmp_path: Path) -> None:
    events = [{"EventId": "1", "ResourceType": "A", "ResourceStatus": "CREATE_FAILED", "ResourceStatusReason": "old"}]
    aws = Aws(describe_stack_events=events)
    keep = Safekeeping(tmp_path / "run" / "record.json", Record("", "", ENVIRONMENT, CONNECTOR, ["vm-1"]))
    deployments = Deployments(cast(Session, aws), keep, tmp_path / "cdk", lambda _: None)
    assert deployments.failures("Mine") == ["A: old"]
    deployments._begin("Mine")
    assert keep.record.stacks == ["Mine"]
    # The newest stands first.
    events.insert(
        0, {"EventId": "2", "ResourceType": "B", "ResourceStatus": "UPDATE_FAILED", "ResourceStatusReason": "b"}
    )
    events.insert(
        0, {"EventId": "3", "ResourceType": "C", "ResourceStatus": "DELETE_FAILED", "ResourceStatusReason": "c"}
    )
    assert deployments.failures("Mine") == ["B: b", "C: c"]


def test_a_request_is_told_once_and_all_of_a_step_are_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    def line(kind: str, request_id: str, at: int) -> dict[str, Any]:
        return {"timestamp": at, "message": f'{{"RequestType": "{kind}", "RequestId": "{request_id}"}}'}

    lines = [line("Create", "1", 10), {"timestamp": 11, "message": "START RequestId: 1"}, line("Create", "1", 12)]
    resource = {"ResourceType": "AWS::Logs::LogGroup", "LogicalResourceId": "Provider", "PhysicalResourceId": "group"}
    aws = Aws(describe_stack_resources=[{"StackResources": [resource]}], filter_log_events=lines)
    log = FunctionLog(cast(Session, aws))
    late = [line("Delete", "3", 30)]
    monkeypatch.setattr("acceptance.function_log.time.sleep", lambda _: lines.extend(late.pop() for _ in late[:1]))
    late.clear()
    assert [sent.kind for sent in log.new_requests("Mine") or ()] == ["Create"]
    lines.append(line("Update", "2", 20))
    late.append(line("Delete", "3", 30))
    assert [sent.kind for sent in log.new_requests("Mine") or ()] == ["Update", "Delete"]


def test_a_log_that_is_gone_says_so() -> None:
    aws = Aws(describe_stack_resources=AwsError("Stack with id Mine does not exist"))
    assert FunctionLog(cast(Session, aws)).new_requests("Mine") is None


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("all is well\n\u274c Mine failed: it is too late\nTotal time: 5s\n", "\u274c Mine failed: it is too late"),
        ("one\n two \n\n", "two"),
        ("", "no output"),
    ],
)
def test_the_line_that_says_why(output: str, said: str) -> None:
    assert last_line(Done("cdk deploy", 1, output, 0.0, 0.0, "")) == said
