"""What is amiss around entitlements: credentials, region, environment, connector, permissions, activation.

Owns the looks of `doctor`, each of which ends in results of one line. Only reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from evs_fleet.aws.permissions import NotTried, Question, denied, principal
from evs_fleet.errors import AwsError
from evs_health.connectors import VCENTER, Connector

if TYPE_CHECKING:
    from evs_fleet.aws import deployed
    from evs_fleet.aws.session import Session

#: The service of the VPC endpoint through which Windows on EVS is activated, without the region's part.
ACTIVATION_SERVICE = "evs-windows-server-activation"
ACTIVATION_PORT = 1688
_SUSPECTS = "a rotated vCenter password that is not in the secret, DNS, a firewall, the appliance"
#: Check of a connector -> what to look at when it fails.
ADVICE = {
    "VCENTER_REACHABILITY": f"look at {_SUSPECTS}; EVS removes all entitlements after 8 hours",
    "REACHABILITY": f"look at {_SUSPECTS}; EVS removes all entitlements after 8 hours",
    "VCENTER_VM_SYNC": "EVS can't read the VMs: look at the permissions of the connector's vCenter user",
    "VCENTER_VM_EVENT": "EVS gets no events of VMs: look at the permissions of the connector's vCenter user",
}


class State(StrEnum):
    """How a look ended."""

    OK = "ok"
    PROBLEM = "problem"
    NOT_TRIED = "not tried"


@dataclass(frozen=True)
class Result:
    """One line: what was looked at, how it is, and what to do about it where anything is to be done."""

    check: str
    state: State
    text: str
    advice: str = ""


def environment(session: Session, environment_id: str, summaries: list[dict[str, Any]]) -> Iterator[Result]:
    """Look at an environment's own state."""
    found = next((item for item in summaries if item.get("environmentId") == environment_id), None)
    if found is None:
        there = ", ".join(str(item.get("environmentId")) for item in summaries) or "none"
        text = f"{environment_id} is not in {session.region} of this account; there: {there}"
        yield Result("environment", State.PROBLEM, text, "is it another --region or --profile?")
        return
    state, status = str(found.get("environmentState")), str(found.get("environmentStatus") or "")
    right = state == "CREATED" and status in ("", "PASSED")
    text = f"{environment_id} ({found.get('environmentName') or 'no name'}): {state}, status {status or 'not given'}"
    yield Result("environment", State.OK if right else State.PROBLEM, text, "" if right else "see the console of EVS")


def connector(found: list[Connector], connector_id: str | None) -> Iterator[Result]:
    """Look at the connector and at each check that EVS makes of it."""
    wanted = [
        item for item in found if item.connector_id == connector_id or (not connector_id and item.type == VCENTER)
    ]
    if not wanted:
        there = ", ".join(f"{item.connector_id} ({item.type})" for item in found) or "none"
        text = f"no connector {connector_id or f'of type {VCENTER}'}; there: {there}"
        yield Result("connector", State.PROBLEM, text, "create one of type VCENTER in EVS")
    for item in wanted:
        name = item.connector_id
        right = item.type == VCENTER
        yield Result(
            "connector type",
            State.OK if right else State.PROBLEM,
            f"{name}: {item.type}",
            "" if right else f"entitlements need a connector of type {VCENTER}",
        )
        right = item.state == "ACTIVE"
        yield Result(
            "connector state",
            State.OK if right else State.PROBLEM,
            f"{name}: {item.state}",
            "" if right else "wait until it is ACTIVE, or see its state's details in the console of EVS",
        )
        yield from _checks(item)


def _checks(item: Connector) -> Iterator[Result]:
    if not item.checks:
        yield Result("connector checks", State.PROBLEM, f"{item.connector_id}: EVS gives none", "wait ten minutes")
    for check in item.checks:
        since = f" since {check.impaired_since:%Y-%m-%d %H:%M} UTC" if check.impaired_since else ""
        right = check.result == "PASSED"
        text = f"{item.connector_id}: {check.result}{'' if right else since}"
        advice = "" if right else ADVICE.get(check.type, "see the console of EVS")
        yield Result(check.type, State.OK if right else State.PROBLEM, text, advice)


def caller_permissions(session: Session, environment_id: str | None) -> Iterator[Result]:
    """Ask IAM whether the caller may do what this command does; nothing is done."""
    _, arn = session.caller()
    where = _environment_arn(session, environment_id or "*")
    groups = {
        "list": [
            Question(("evs:ListEnvironments",)),
            Question(("evs:ListEnvironmentConnectors", "evs:ListVmEntitlements"), where),
        ],
        "--stack": [
            Question(("cloudformation:DescribeStacks", "cloudformation:ListStackResources", "dynamodb:GetItem")),
        ],
        "history": [Question(("cloudtrail:LookupEvents",))],
        "doctor": [Question(("ec2:DescribeVpcEndpoints",))],
    }
    for group, questions in groups.items():
        yield _simulated(session, f"permissions: {group}", arn, questions, "ask your administrator for these")


def function_permissions(session: Session, stack: deployed.Stack) -> Iterator[Result]:
    """Ask IAM whether a stack's function may do what a deployment needs; nothing is done."""
    account, _ = session.caller()
    role, table = stack.resource("Role"), stack.resource("Ledger")
    function = stack.resource("Function")
    if not role or not table or not function:
        text = f"stack {stack.name} ({stack.status}) has no function of this project, or not yet"
        yield Result("function's permissions", State.PROBLEM, text, "deploy the stack")
        return
    environments = sorted({place[0] for place in (*stack.declared, *stack.pending)})
    begin = f"arn:{session.partition}"
    questions = [
        Question(
            ("evs:CreateEntitlement", "evs:DeleteEntitlement", "evs:ListVmEntitlements"),
            _environment_arn(session, environment_id),
        )
        for environment_id in environments
    ]
    questions += [
        Question(
            ("dynamodb:GetItem", "dynamodb:PutItem"), f"{begin}:dynamodb:{session.region}:{account}:table/{table}"
        ),
        Question(("lambda:InvokeFunction",), f"{begin}:lambda:{session.region}:{account}:function:{function}"),
        Question(("cloudformation:DescribeStacks", "cloudformation:DescribeStackResource"), stack.stack_id),
    ]
    try:
        role_arn = str(session.call("iam", "get_role", RoleName=role)["Role"]["Arn"])
    except AwsError as error:
        yield Result("function's permissions", State.NOT_TRIED, str(error))
        return
    advice = "the policy was changed, or one of your organization denies it: deploy the stack again"
    yield _simulated(session, "function's permissions", role_arn, questions, advice)


def activation(session: Session) -> Iterator[Result]:
    """Look for the VPC endpoint through which Windows is activated."""
    service = f"com.amazonaws.{session.region}.{ACTIVATION_SERVICE}"
    try:
        rows = list(
            session.items(
                "ec2", "describe_vpc_endpoints", "VpcEndpoints", Filters=[{"Name": "service-name", "Values": [service]}]
            )
        )
    except AwsError as error:
        yield Result("activation endpoint", State.NOT_TRIED, str(error))
        return
    found = [row for row in rows if str(row.get("ServiceName")) == service]
    usable = [row for row in found if str(row.get("State")).lower() == "available"]
    if usable:
        names = ", ".join(f"{row['VpcEndpointId']} in {row.get('VpcId')}" for row in usable)
        yield Result("activation endpoint", State.OK, f"{names}; Windows needs TCP {ACTIVATION_PORT} to it")
        return
    states = ", ".join(f"{row['VpcEndpointId']} is {row.get('State')}" for row in found)
    yield Result(
        "activation endpoint",
        State.PROBLEM,
        states or f"this account has no VPC endpoint for {service}",
        f"an entitled Windows still needs activation: create it, let TCP {ACTIVATION_PORT} through, and point "
        "slmgr /skms at it (or is it in another account of yours?)",
    )


def _simulated(session: Session, check: str, arn: str, questions: list[Question], advice: str) -> Result:
    try:
        source = principal(session, arn)
        if source is None:
            return Result(check, State.OK, "the account's root user may do everything")
        refused = denied(session, source, questions)
    except NotTried as error:
        return Result(check, State.NOT_TRIED, str(error))
    if refused:
        return Result(check, State.PROBLEM, f"denied: {', '.join(refused)}", advice)
    return Result(check, State.OK, f"{source.rpartition(':')[2]} may do all of it")


def _environment_arn(session: Session, environment_id: str) -> str:
    account, _ = session.caller()
    return f"arn:{session.partition}:evs:{session.region}:{account}:environment/{environment_id}"
