"""The parts of an acceptance run that call nothing: table, verdicts, redaction, command line, deletion of stacks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from acceptance import options
from acceptance.assumptions import ASSUMPTIONS, PARTS
from acceptance.errors import AcceptanceError
from acceptance.findings import Findings
from acceptance.redaction import Redaction
from acceptance.report import Ending, write
from acceptance.stack_removal import StackRemoval
from evs_fleet.aws.session import Session
from evs_fleet.errors import AwsError

ROOT = Path(__file__).parents[3]
KNOWN = {"account": "123456789012", "environment": "env-abcde12345", "connector": "cnctr-abcde12345", "vm": "vm-10"}


def test_each_assumption_names_files_that_there_are() -> None:
    for name, each in ASSUMPTIONS.items():
        assert each.part in PARTS
        assert each.where, name
        for file in each.where:
            assert (ROOT / file).is_file(), f"{name}: {file}"


def test_one_contradiction_outweighs_confirmations() -> None:
    findings = Findings()
    findings.saw("create-again", True, "as ever")
    findings.saw("create-again", False, "otherwise")
    findings.saw("create-again", True, "as ever")
    findings.not_seen("create-again", "the part ended early")
    assert (findings.of("create-again").verdict, findings.of("create-again").seen) == ("different", ["otherwise"])


def test_only_what_is_in_the_table_can_be_found() -> None:
    with pytest.raises(KeyError):
        Findings().saw("no-such-thing", True, "")


#: Made of two parts, so that nobody takes it for a real one.
KEY = "AKIA" + "Q7" * 8


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("vm-10 and vm-101 at cnctr-abcde12345", "<vm> and <other vm 1> at <connector>"),
        ("User: arn:aws:sts::123456789012:assumed-role/admin/me is not", "User: <arn> is not"),
        ("account 123456789012, env-abcde12345; 999999999999", "account <account>, <environment>; <other account 1>"),
        ("https://bucket.s3.amazonaws.com/x?X-Amz-Signature=abc done", "<url> done"),
        ("X-Amz-Security-Token=abc&more", "<signature>&more"),
        (f"key {KEY} at 10.0.0.7", "key <key> at <address>"),
        ("dc01.corp is off", "<left out> is off"),
        ("at 1795746192.641 s", "at 1795746192.641 s"),
    ],
)
def test_a_text_is_redacted(text: str, redacted: str) -> None:
    redaction = Redaction(KNOWN)
    redaction.learn("dc01.corp")
    assert redaction.text(text) == redacted


def test_one_id_has_one_placeholder_everywhere() -> None:
    redaction = Redaction(KNOWN)
    assert redaction.text("vm-7 vm-8 vm-7") == "<other vm 1> <other vm 2> <other vm 1>"
    assert redaction.value({"vmId": "vm-8"}) == {"vmId": "<other vm 2>"}


def test_of_a_member_that_is_not_known_only_the_type_is_said() -> None:
    body = {"vmId": "vm-10", "vmName": "dc01", "owner": {"email": "a@b.c", "age": 7}, "flags": ["x"], "isOn": True}
    assert Redaction(KNOWN).value(body) == {
        "vmId": "<vm>",
        "vmName": "<string>",
        "owner": {"email": "<string>", "age": "<int>"},
        "flags": ["<string>"],
        "isOn": True,
    }


def test_the_report_has_every_assumption_once(tmp_path: Path) -> None:
    findings = Findings()
    findings.saw("create-again", False, "HTTP 400 | vm-10")
    json_path, markdown_path = write(tmp_path, findings, Ending(0.0, left=["vm-10 is left"]), Redaction(KNOWN))
    text = markdown_path.read_text()
    for name in ASSUMPTIONS:
        assert text.count(f"\n| {name} |") == 1, name
    assert "## Different: 1" in text
    assert "HTTP 400 \\| &lt;vm>" in text
    assert "**Left behind:** &lt;vm> is left" in text
    assert "vm-10" not in json_path.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--environment: got nothing, expected an id such as env-abcde12345 (of make: ENVIRONMENT=env-abcde12345)"),
        (["--environment", "env-1", "--vm", "vm-1"], "--environment: got 'env-1'"),
        (["--environment", "env-abcde12345", "--vm", "web01"], "--vm: got 'web01'"),
        (["--environment", "env-abcde12345", "--vm", "vm-1", "--vm2", "vm-1"], "--vm2: got vm-1, which is --vm"),
        (["--environment", "env-abcde12345", "--vm", "vm-1", "--only", "stacks"], "--only: got stacks"),
        (["--environment", "env-abcde12345", "--vm", "vm-1", "--connector", "c"], "--connector: got 'c'"),
    ],
)
def test_a_wrong_argument_is_named(arguments: list[str], said: str) -> None:
    with pytest.raises(AcceptanceError) as raised:
        options.read(arguments)
    assert str(raised.value).startswith(said)


class CloudFormation:
    """A stack that takes its time: each look shows the next status, and what was called stands between."""

    def __init__(self, *statuses: str) -> None:
        self.statuses = list(statuses)
        self.calls: list[str] = []

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        assert (service, parameters["StackName"]) == ("cloudformation", "Mine")
        if operation != "describe_stacks":
            self.calls.append(operation)
            return {}
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status == "GONE":
            raise AwsError("Stack with id Mine does not exist")
        return {"Stacks": [{"StackStatus": status}]}


@pytest.mark.parametrize(
    ("statuses", "calls"),
    [
        (("CREATE_IN_PROGRESS", "CREATE_COMPLETE", "DELETE_IN_PROGRESS", "GONE"), ["delete_stack"]),
        (
            ("UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE", "GONE"),
            ["cancel_update_stack", "delete_stack"],
        ),
        (("DELETE_FAILED", "DELETE_IN_PROGRESS", "DELETE_FAILED", "GONE"), ["delete_stack", "delete_stack"]),
        (("REVIEW_IN_PROGRESS", "GONE"), ["delete_stack"]),
        # The command was ended, and what it had asked for arrives a moment later.
        (("GONE", "REVIEW_IN_PROGRESS", "GONE"), ["delete_stack"]),
        (("DELETE_COMPLETE",), []),
    ],
)
def test_a_stack_is_deleted_from_whatever_state(
    statuses: tuple[str, ...], calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acceptance.stack_removal.time.sleep", _no_sleep)
    cloudformation = CloudFormation(*statuses)
    assert StackRemoval(cast(Session, cloudformation), _say).remove("Mine") is None
    assert cloudformation.calls == calls


def test_a_stack_that_does_not_go_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acceptance.stack_removal.time.sleep", _no_sleep)
    cloudformation = CloudFormation("DELETE_FAILED")
    said = StackRemoval(cast(Session, cloudformation), _say).remove("Mine")
    assert said == "stack Mine is still there: DELETE_FAILED"
    assert cloudformation.calls == ["delete_stack"] * 3


def _no_sleep(_: float) -> None:
    pass


_say: Callable[[str], None] = lambda _: None  # noqa: E731
