"""The monitor on the local AWS: deployed by the real CLI, run by Lambda with its real role."""

import json
from typing import Any

import pytest

from local_aws.launcher import ACCOUNT
from testing.observed import changing_calls
from tests.e2e.conftest import Cloud
from tests.e2e.stacks import CONNECTOR, ENVIRONMENT, OTHER_CONNECTOR, Variant

VMS = ["vm-101", "vm-102"]
PREFIX = "EvsEntitlementsMonitor"


class Monitor:
    """A deployed monitor: runs it, and looks at what it wrote and sent."""

    def __init__(self, cloud: Cloud, stack: str) -> None:
        self._aws, self._stack = cloud.aws, stack
        found = cloud.aws.boto3_client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
        self.resources = {item["LogicalResourceId"]: item["PhysicalResourceId"] for item in found}
        self.function = self.resource("Function")
        self._queue = cloud.aws.boto3_client("sqs").create_queue(QueueName=f"events-{stack}")["QueueUrl"]
        events = cloud.aws.boto3_client("events")
        pattern = {"source": ["evs-entitlements"], "resources": [found[0]["StackId"]]}
        events.put_rule(Name=f"queue-{stack}", EventPattern=json.dumps(pattern))
        arn = f"arn:aws:sqs:{cloud.aws.region}:{ACCOUNT}:events-{stack}"
        events.put_targets(Rule=f"queue-{stack}", Targets=[{"Id": "queue", "Arn": arn}])

    def resource(self, kind: str) -> str:
        (found,) = [
            str(physical)
            for logical, physical in self.resources.items()
            if logical.startswith(PREFIX + kind) and len(logical) == len(PREFIX + kind) + 8
        ]
        return found

    def run(self) -> list[dict[str, Any]]:
        """Run it once; return its lines of metrics."""
        before = len(self._lines())
        answer = self._aws.boto3_client("lambda").invoke(FunctionName=self.function, Payload=b"{}")
        assert "FunctionError" not in answer, answer["Payload"].read()
        return self._lines()[before:]

    def _lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._said() if line.startswith('{"_aws"')]

    def _said(self) -> list[str]:
        group = self.resource("LogGroup")
        lines = [line.split(" ", 2) for line in self._aws.function_logs()]
        return [text for _, name, text in lines if name == group]

    def said(self, *words: str) -> bool:
        """Whether a line of its log has all these words."""
        return any(all(word in line for word in words) for line in self._said())

    def events(self) -> list[dict[str, Any]]:
        """Return what was sent since this was asked last."""
        client = self._aws.boto3_client("sqs")
        found: list[dict[str, Any]] = []
        while messages := client.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(message["Body"]))
                client.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return found


@pytest.fixture
def other_connector_heals(cloud: Cloud) -> Any:
    yield
    for connector in (CONNECTOR, OTHER_CONNECTOR):
        cloud.evs.by_hand("set_connector", connector, reachable=True)


def ledger(cloud: Cloud, monitor: Monitor) -> Any:
    (table,) = [
        physical
        for logical, physical in monitor.resources.items()
        if logical.startswith("EvsEntitlementsProviderLedger")
    ]
    return cloud.aws.boto3_client("dynamodb").scan(TableName=table)["Items"]


def test_a_connector_that_loses_vcenter_is_told_once_and_so_is_its_return(
    cloud: Cloud, other_connector_heals: None
) -> None:
    name = cloud.name()
    done = cloud.deployed(Variant(name, VMS, monitored=True))
    monitor = Monitor(cloud, name)
    before = ledger(cloud, monitor)
    (line,) = monitor.run()
    assert (line["Declared"], line["Entitled"], line["AtRisk"], line["ConnectorReachable"]) == (2, 2, 0, 1)
    assert monitor.events() == []

    cloud.evs.by_hand("set_connector", CONNECTOR, reachable=False)
    (line,) = monitor.run()
    assert (line["AtRisk"], line["Entitled"], line["ConnectorReachable"]) == (2, 2, 0)
    (event,) = monitor.events()
    assert (event["source"], event["detail-type"]) == ("evs-entitlements", "EVS Entitlements At Risk")
    assert event["detail"]["vmIds"] == VMS
    assert "VCENTER_REACHABILITY is FAILED" in event["detail"]["message"]
    assert monitor.said("at risk", "vm-101", "vm-102")
    assert monitor.said("VCENTER_REACHABILITY is FAILED since")
    monitor.run()
    assert monitor.events() == []

    cloud.evs.by_hand("set_connector", CONNECTOR, reachable=True)
    (line,) = monitor.run()
    assert (line["AtRisk"], line["ConnectorReachable"]) == (0, 1)
    assert [event["detail-type"] for event in monitor.events()] == ["EVS Entitlements Back"]
    monitor.run()
    assert monitor.events() == []

    # Somebody entitles a VM by hand, and takes one of ours away.
    cloud.evs.entitle(["vm-110"], environment_id=ENVIRONMENT, connector_id=CONNECTOR)
    cloud.evs.remove(["vm-102"])
    (line,) = monitor.run()
    assert (line["Undeclared"], line["Missing"], line["Entitled"]) == (1, 1, 1)
    assert [event["detail"]["vmIds"] for event in monitor.events()] == [["vm-102"]]
    assert monitor.said("vm-110", "not declared")
    assert changing_calls(cloud.aws, ["vm-110"], since=done.began) == []
    assert ledger(cloud, monitor) == before

    cloud.evs.remove(["vm-110"])
    cloud.destroyed(Variant(name, VMS, monitored=True))


def test_its_role_can_change_nothing(cloud: Cloud) -> None:
    name = cloud.name()
    cloud.deployed(Variant(name, VMS, monitored=True))
    monitor = Monitor(cloud, name)
    region = cloud.aws.region
    environment = f"arn:aws:evs:{region}:{ACCOUNT}:environment/{ENVIRONMENT}"
    (table,) = {item for logical, item in monitor.resources.items() if "ProviderLedger" in logical}
    ledger_arn = f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/{table}"
    (function,) = {
        item for logical, item in monitor.resources.items() if "ProviderFunction" in logical and ":" not in item
    }
    asked = {
        environment: [
            "evs:CreateEntitlement",
            "evs:DeleteEntitlement",
            "evs:DeleteEnvironment",
            "evs:ListVmEntitlements",
        ],
        ledger_arn: ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:GetItem"],
        f"arn:aws:lambda:{region}:{ACCOUNT}:function:{function}": [
            "lambda:InvokeFunction",
            "lambda:UpdateFunctionCode",
        ],
        f"arn:aws:cloudformation:{region}:{ACCOUNT}:stack/{name}/*": ["cloudformation:UpdateStack"],
    }
    role = f"arn:aws:iam::{ACCOUNT}:role/{monitor.resource('Role')}"
    client = cloud.aws.boto3_client("iam")
    allowed = set()
    for resource, actions in asked.items():
        answer = client.simulate_principal_policy(PolicySourceArn=role, ActionNames=actions, ResourceArns=[resource])
        allowed |= {each["EvalActionName"] for each in answer["EvaluationResults"] if each["EvalDecision"] == "allowed"}
    assert allowed == {"evs:ListVmEntitlements", "dynamodb:GetItem"}
