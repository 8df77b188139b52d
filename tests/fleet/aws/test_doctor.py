"""`doctor`: every line, right and wrong; permissions as IAM itself says them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from evs_fleet.aws.failures import AccessDenied
from evs_fleet.aws.permissions import NotTried, principal
from local_aws import LocalAws
from local_aws.evs_api import EvsControl
from tests.fleet.aws.conftest import CONNECTOR, ENVIRONMENT, OTHER_CONNECTOR, OTHER_ENVIRONMENT, Ran, Run, use

WHERE = ("--environment", ENVIRONMENT, "--connector", CONNECTOR)


def lines(ran: Ran) -> dict[str, dict[str, Any]]:
    return {row["check"]: row for row in ran.json}


@pytest.fixture
def activated(aws: LocalAws) -> Iterator[None]:
    """A VPC endpoint for Windows' activation."""
    ec2 = aws.boto3_client("ec2")
    service, vpc = f"com.amazonaws.{aws.region}.evs-windows-server-activation", ec2.describe_vpcs()["Vpcs"][0]
    made = ec2.create_vpc_endpoint(VpcId=vpc["VpcId"], ServiceName=service, VpcEndpointType="Interface")
    yield
    ec2.delete_vpc_endpoints(VpcEndpointIds=[made["VpcEndpoint"]["VpcEndpointId"]])


def test_nothing_is_amiss(evs: EvsControl, run: Run, activated: None) -> None:
    ran = run("doctor", *WHERE)
    assert ran.status == 0
    shown = ran.out.splitlines()
    assert shown[-1] == "nothing is amiss"
    assert shown[0].startswith("ok        credentials")
    assert "arn:aws:iam::000000000000:root, account 000000000000" in shown[0]
    assert not any(line.startswith("problem") for line in shown)
    for word in ("VCENTER_REACHABILITY", "VCENTER_VM_SYNC", "VCENTER_VM_EVENT", "production", "Windows needs TCP 1688"):
        assert word in ran.out
    # Nothing is changed, and nothing but reads is called.
    assert {call["operation"] for call in evs.calls()} == {"ListEnvironments", "ListEnvironmentConnectors"}


def test_csv_and_json(evs: EvsControl, run: Run, activated: None) -> None:
    rows = run("doctor", *WHERE, "--output", "csv").csv
    assert rows[0]["check"] == "credentials"
    assert {row["state"] for row in rows} == {"ok", "not tried"}
    found = lines(run("doctor", *WHERE, "--output", "json"))
    assert found["function's permissions"]["state"] == "not tried"
    assert run("doctor", "--output", "ids").status == 2


def test_a_connector_that_is_away(evs: EvsControl, run: Run, activated: None) -> None:
    evs.by_hand("set_connector", CONNECTOR, reachable=False)
    ran = run("doctor", *WHERE)
    assert ran.status == 1
    assert "problem   VCENTER_REACHABILITY" in ran.out
    assert "-> look at a rotated vCenter password that is not in the secret" in ran.out
    assert ran.out.splitlines()[-1] == "3 problems"


def test_a_connector_of_another_type_and_state(evs: EvsControl, run: Run, activated: None) -> None:
    evs.by_hand("set_connector", CONNECTOR, type="SDDC_MANAGER", state="UPDATING")
    found = lines(run("doctor", *WHERE, "--output", "json"))
    assert found["connector type"]["state"] == "problem"
    assert found["connector type"]["advice"] == "entitlements need a connector of type VCENTER"
    assert found["connector state"]["text"] == f"{CONNECTOR}: UPDATING"


def test_a_connector_that_is_not_there(evs: EvsControl, run: Run, activated: None) -> None:
    ran = run("doctor", "--environment", OTHER_ENVIRONMENT, "--connector", CONNECTOR, "--output", "json")
    assert ran.status == 1
    assert lines(ran)["connector"]["text"] == f"no connector {CONNECTOR}; there: {OTHER_CONNECTOR} (VCENTER)"


def test_an_environment_that_is_not_there(evs: EvsControl, run: Run, activated: None) -> None:
    ran = run("doctor", "--environment", "env-0000000000", "--output", "json")
    assert ran.status == 1
    text = lines(ran)["environment"]["text"]
    assert text.startswith("env-0000000000 is not in us-east-1 of this account; there: env-abcde12345, env-zyxwv98765")


def test_no_activation_endpoint(evs: EvsControl, run: Run) -> None:
    ran = run("doctor", *WHERE, "--output", "json")
    assert ran.status == 1
    line = lines(ran)["activation endpoint"]
    assert line["text"] == "this account has no VPC endpoint for com.amazonaws.us-east-1.evs-windows-server-activation"
    assert "slmgr /skms" in line["advice"]


def test_a_stack_that_is_not_there(evs: EvsControl, run: Run, activated: None) -> None:
    ran = run("doctor", *WHERE, "--stack", "Nowhere", "--output", "json")
    assert ran.status == 1
    assert "Nowhere" in lines(ran)["stack"]["text"]


@pytest.mark.parametrize("lost", [("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), ("AWS_REGION", "AWS_DEFAULT_REGION")])
def test_without_credentials_or_region_it_says_so_and_ends(
    lost: tuple[str, ...], evs: EvsControl, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in lost:
        monkeypatch.delenv(name)
    ran = run("doctor")
    assert ran.status == 2
    assert ran.error.startswith(("no AWS credentials", "no AWS region"))
    assert ran.out.startswith("problem   AWS")


def test_evs_refuses(evs: EvsControl, run: Run) -> None:
    evs.fault("access_denied", count=None)
    ran = run("doctor", *WHERE)
    assert ran.status == 2
    assert ran.error.startswith("access denied: evs:ListEnvironments")
    assert ran.out.startswith("ok        credentials")


# --- with IAM --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded() -> Iterator[LocalAws]:
    with LocalAws(auth=True) as aws:
        yield aws


def become(
    guarded: LocalAws, monkeypatch: pytest.MonkeyPatch, name: str, allowed: list[str], denied: tuple[str, ...] = ()
) -> None:
    """Be a user with these permissions."""
    iam = guarded.boto3_client("iam")
    iam.create_user(UserName=name)
    statements = [{"Effect": "Allow", "Action": allowed, "Resource": "*"}]
    if denied:
        statements.append({"Effect": "Deny", "Action": list(denied), "Resource": "*"})
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])


READS = [
    "evs:List*",
    "iam:SimulatePrincipalPolicy",
    "ec2:DescribeVpcEndpoints",
    "cloudformation:DescribeStacks",
    "cloudformation:ListStackResources",
    "dynamodb:GetItem",
]


def test_a_user_who_may_only_read(guarded: LocalAws, here: Any, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    use(guarded, here, monkeypatch)
    become(guarded, monkeypatch, "reader", READS)
    found = lines(run("doctor", *WHERE, "--output", "json"))
    assert found["credentials"]["text"].startswith("arn:aws:iam::000000000000:user/reader")
    assert found["permissions: list"]["state"] == "ok"
    assert found["permissions: --stack"]["text"] == "user/reader may do all of it"
    history = found["permissions: history"]
    assert (history["state"], history["text"]) == ("problem", "denied: cloudtrail:LookupEvents")


def test_a_user_who_may_not_ask_iam(guarded: LocalAws, here: Any, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    use(guarded, here, monkeypatch)
    become(guarded, monkeypatch, "unasked", [*READS, "cloudtrail:*"], ("iam:SimulatePrincipalPolicy",))
    found = lines(run("doctor", *WHERE, "--output", "json"))
    line = found["permissions: list"]
    assert line["state"] == "not tried"
    assert line["text"].startswith("access denied: iam:SimulatePrincipalPolicy")


def test_a_user_who_may_not_see_endpoints(
    guarded: LocalAws, here: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(guarded, here, monkeypatch)
    become(guarded, monkeypatch, "blind", READS, ("ec2:*",))
    line = lines(run("doctor", *WHERE, "--output", "json"))["activation endpoint"]
    assert line["state"] == "not tried"
    assert line["text"].startswith("access denied: ec2:DescribeVpcEndpoints")


def test_the_lists_are_refused_with_the_action(
    guarded: LocalAws, here: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(guarded, here, monkeypatch)
    become(guarded, monkeypatch, "nobody", ["sts:*"])
    ran = run("list", *WHERE)
    assert ran.status == 2
    assert ran.error.startswith("access denied: evs:ListVmEntitlements in us-east-1: User: arn:aws:iam::")


def test_a_role_that_somebody_has_taken_on(
    guarded: LocalAws, here: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(guarded, here, monkeypatch)
    iam, sts = guarded.boto3_client("iam"), guarded.boto3_client("sts")
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="Operator", AssumeRolePolicyDocument=document)["Role"]
    allowed = {"Effect": "Allow", "Action": [*READS, "iam:GetRole"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_role_policy(RoleName="Operator", PolicyName="all", PolicyDocument=policy)
    keys = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="alice")["Credentials"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys["SecretAccessKey"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", keys["SessionToken"])
    found = lines(run("doctor", *WHERE, "--output", "json"))
    assert "assumed-role/Operator/alice" in found["credentials"]["text"]
    assert found["permissions: --stack"]["state"] == "ok"
    assert found["permissions: history"]["state"] == "problem"


class RoleWithPath:
    """IAM's GetRole, for a role in a path; the local IAM's simulation knows no paths."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure

    def call(self, service: str, operation: str, **_: str) -> dict[str, Any]:
        assert (service, operation) == ("iam", "get_role")
        if self.failure:
            raise self.failure
        return {"Role": {"Arn": "arn:aws:iam::111122223333:role/team/Operator"}}


@pytest.mark.parametrize(
    ("caller", "failure", "expected"),
    [
        ("arn:aws:iam::111122223333:root", None, None),
        ("arn:aws:iam::111122223333:user/team/alice", None, "arn:aws:iam::111122223333:user/team/alice"),
        ("arn:aws:sts::111122223333:assumed-role/Operator/alice", None, "arn:aws:iam::111122223333:role/team/Operator"),
        (
            "arn:aws-us-gov:sts::111122223333:assumed-role/Operator/alice",
            AccessDenied("iam:GetRole"),
            "arn:aws-us-gov:iam::111122223333:role/Operator",
        ),
    ],
)
def test_whose_policies_count(caller: str, failure: Exception | None, expected: str | None) -> None:
    assert principal(RoleWithPath(failure), caller) == expected  # type: ignore[arg-type]


def test_a_federated_user_is_not_tried() -> None:
    with pytest.raises(NotTried, match="IAM's simulation knows users and roles"):
        principal(RoleWithPath(), "arn:aws:sts::111122223333:federated-user/alice")  # type: ignore[arg-type]
