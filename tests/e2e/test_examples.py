"""The examples as they stand, deployed: the function alone, and what uses it without this package."""

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from app_provider import STACK_NAME
from testing.cdk import PROJECT
from testing.observed import changing_calls, failures, stack_status
from tests.audit.stacks import cfn_lint
from tests.e2e.conftest import APP, Cloud
from tests.e2e.stacks import CONNECTOR, ENVIRONMENT
from tests.support.npm import with_packages

EXAMPLES = PROJECT / "examples"
TEMPLATE = (EXAMPLES / "cloudformation" / "template.yaml").read_text()
PROVIDER = ("-c", "providerOnly=true", "-c", f"environmentIds={ENVIRONMENT}")
#: Names of the stacks that the function may be asked about: all but `Elsewhere`.
NAMES = "Licences*,Nested*"


class Stacks:
    """Stacks that are deployed by CloudFormation's API, as Terraform and the AWS CLI do it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.client = cloud.aws.boto3_client("cloudformation")

    def deploy(self, name: str, vm_ids: str, template: str = TEMPLATE, **parameters: str) -> str:
        given = {"EnvironmentId": ENVIRONMENT, "ConnectorId": CONNECTOR, "VmIds": vm_ids, "TimeoutSeconds": "120"}
        listed = [{"ParameterKey": key, "ParameterValue": value} for key, value in {**given, **parameters}.items()]
        call = self.client.create_stack if self.status(name) == "GONE" else self.client.update_stack
        call(StackName=name, TemplateBody=template, Parameters=listed)
        return self.settled(name)

    def delete(self, name: str) -> str:
        self.client.delete_stack(StackName=name)
        return self.settled(name)

    def settled(self, name: str) -> str:
        until = time.monotonic() + 240
        while (status := self.status(name)).endswith("_IN_PROGRESS"):
            assert time.monotonic() < until, status
            time.sleep(0.3)
        return status

    def status(self, name: str) -> str:
        return stack_status(self.cloud.aws, name)

    def outputs(self, name: str) -> dict[str, str]:
        (stack,) = self.client.describe_stacks(StackName=name)["Stacks"]
        return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}


@pytest.fixture(scope="module")
def provider(bootstrapped: Cloud) -> Stacks:
    """The function alone, deployed."""
    bootstrapped.evs.reset()
    done = bootstrapped.deploy_app(APP, *PROVIDER, "-c", f"stackNames={NAMES}")
    assert done.exit_code == 0, done.output
    assert f"the function alone, for {ENVIRONMENT}; stack {STACK_NAME}; ServiceToken is exported as" in done.words
    return Stacks(bootstrapped)


@pytest.fixture
def stacks(provider: Stacks, cloud: Cloud) -> Stacks:
    """The function, where nothing is entitled."""
    return provider


def test_the_service_token_is_an_output_an_export_and_a_parameter(stacks: Stacks) -> None:
    token = stacks.outputs(STACK_NAME)["ServiceToken"]
    assert token.endswith(f":function:{STACK_NAME}")
    ssm = stacks.cloud.aws.boto3_client("ssm")
    assert ssm.get_parameter(Name=f"/{STACK_NAME}/ServiceToken")["Parameter"]["Value"] == token
    exports = {one["Name"]: one["Value"] for one in stacks.client.list_exports()["Exports"]}
    assert exports[f"{STACK_NAME}-ServiceToken"] == token


def test_a_plain_template_and_terraforms_with_one_function(stacks: Stacks) -> None:
    """Two stacks with the same logical id, at the same connector: neither touches what the other has."""
    evs = stacks.cloud.evs
    terraform = terraforms_parameters()
    assert stacks.deploy("Licences-terraform", terraform.pop("VmIds"), **terraform) == "CREATE_COMPLETE"
    assert stacks.outputs("Licences-terraform") == {"DeclaredVms": "2", "AddedVms": "2"}
    # Blanks and a duplicate, as a person writes them.
    assert stacks.deploy("Licences", "vm-103, vm-104,vm-103") == "CREATE_COMPLETE"
    assert stacks.cloud.held() == ["vm-101", "vm-102", "vm-103", "vm-104"]
    began = time.time()
    assert stacks.deploy("Licences", "vm-104") == "UPDATE_COMPLETE"
    assert stacks.cloud.held() == ["vm-101", "vm-102", "vm-104"]
    # A VM of the other stack is a conflict, and what was stays as it was.
    assert stacks.deploy("Licences", "vm-104,vm-101") == "UPDATE_ROLLBACK_COMPLETE"
    (reason, *_) = failures(stacks.cloud.aws, "Licences", since=began)
    assert "already entitled, and not by this stack: vm-101" in reason
    assert stacks.delete("Licences") == "GONE"
    assert stacks.cloud.held() == ["vm-101", "vm-102"]
    assert changing_calls(stacks.cloud.aws, ["vm-101", "vm-102"], since=began) == []
    assert stacks.delete("Licences-terraform") == "GONE"
    assert evs.rows() == []


def test_the_function_is_protected_while_a_stack_uses_it(stacks: Stacks) -> None:
    assert stacks.deploy("Licences-user", "vm-101") == "CREATE_COMPLETE"
    with pytest.raises(ClientError, match=r"(?i)terminationprotection is enabled"):
        stacks.client.delete_stack(StackName=STACK_NAME)
    stacks.client.update_termination_protection(StackName=STACK_NAME, EnableTerminationProtection=False)
    try:
        with pytest.raises(ClientError, match=r"imported by stack Licences-user"):
            stacks.client.delete_stack(StackName=STACK_NAME)
        assert stacks.status(STACK_NAME) in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
    finally:
        stacks.client.update_termination_protection(StackName=STACK_NAME, EnableTerminationProtection=True)
    assert stacks.delete("Licences-user") == "GONE"


@pytest.mark.long
def test_a_function_that_was_deleted_by_mistake_comes_back_under_its_arn(stacks: Stacks) -> None:
    """A stack that has the ARN as a literal protects from nothing. Deployed again, the function serves it as before."""
    second = (*PROVIDER, "-c", "stackName=Second")
    assert stacks.cloud.cdk("deploy", *second).exit_code == 0
    token = stacks.outputs("Second")["ServiceToken"]
    imported = 'ServiceToken:\n        Fn::ImportValue: !Sub "${ProviderStack}-ServiceToken"'
    assert imported in TEMPLATE
    template = TEMPLATE.replace(imported, f"ServiceToken: {token}")
    assert stacks.deploy("Licences-literal", "vm-101,vm-102", template) == "CREATE_COMPLETE"
    stacks.client.update_termination_protection(StackName="Second", EnableTerminationProtection=False)
    assert stacks.delete("Second") == "GONE"
    assert stacks.cloud.held() == ["vm-101", "vm-102"]
    assert stacks.cloud.cdk("deploy", *second).exit_code == 0
    assert stacks.outputs("Second")["ServiceToken"] == token
    began = time.time()
    assert stacks.deploy("Licences-literal", "vm-102,vm-103", template) == "UPDATE_COMPLETE"
    assert stacks.cloud.held() == ["vm-102", "vm-103"]
    assert changing_calls(stacks.cloud.aws, ["vm-102"], since=began) == []
    assert stacks.delete("Licences-literal") == "GONE"
    assert stacks.cloud.evs.rows() == []


@pytest.mark.long
def test_a_stack_whose_name_is_not_covered_gets_nothing(stacks: Stacks) -> None:
    """The refusal is ridden out for 75 s: a new role's policy may take so long."""
    began = time.time()
    assert stacks.deploy("Elsewhere", "vm-101", TimeoutSeconds="180") == "ROLLBACK_COMPLETE"
    (reason, *_) = failures(stacks.cloud.aws, "Elsewhere", since=began)
    assert "access denied: cloudformation:DescribeStacks" in reason
    assert "stack_names" in reason
    assert stacks.cloud.evs.calls("CreateEntitlement") == []
    assert stacks.delete("Elsewhere") == "GONE"


def test_the_simplest_app_in_python(cloud: Cloud) -> None:
    app = f"python {EXAMPLES / 'python' / 'app.py'}"
    done = cloud.deploy_app(app)
    assert done.exit_code == 0, done.output
    assert cloud.held() == ["vm-101", "vm-102"]
    done = cloud.destroy_assembly(done.assembly, stack_of(done.assembly))
    assert done.exit_code == 0, done.output
    assert cloud.evs.rows() == []


def test_an_app_in_typescript(stacks: Stacks) -> None:
    cloud, app = stacks.cloud, f"node {typescript() / 'app.ts'}"
    done = cloud.deploy_app(app, "-c", "vmIds=vm-103,vm-104")
    assert done.exit_code == 0, done.output
    assert cloud.held() == ["vm-103", "vm-104"]
    assert "DeclaredVms = 2" in done.words
    linted = cfn_lint(*Path(done.assembly).glob("*.template.json"))
    assert linted.returncode == 0, linted.stdout + linted.stderr
    done = cloud.deploy_app(app, "-c", "vmIds=vm-104", "-c", "retain=true")
    assert done.exit_code == 0, done.output
    assert cloud.held() == ["vm-104"]
    done = cloud.destroy_assembly(done.assembly, stack_of(done.assembly))
    assert done.exit_code == 0, done.output
    assert cloud.held() == ["vm-104"]


@pytest.mark.long
def test_the_types_of_the_app_in_typescript() -> None:
    done = subprocess.run(["npm", "run", "check"], cwd=typescript(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def stack_of(assembly: str) -> str:
    """Return the name of an assembly's one stack."""
    (template,) = Path(assembly).glob("*.template.json")
    return template.name.partition(".")[0]


def terraforms_parameters() -> dict[str, str]:
    """What `main.tf` hands to the template, by its defaults."""
    source = (EXAMPLES / "terraform" / "main.tf").read_text()
    assert 'file("${path.module}/../cloudformation/template.yaml")' in source
    defaults: dict[str, Any] = {
        name: json.loads(value) for name, value in re.findall(r'variable "(\w+)" \{[^}]*default = (.+)\n', source)
    }
    block = source.partition("parameters = {")[2].partition("\n  }")[0]
    given = dict(re.findall(r"^\s+(\w+)\s*= (.+)$", block, re.MULTILINE))
    assert given.pop("VmIds") == 'join(",", sort(distinct(var.vm_ids)))'
    values = {key: defaults[value.removeprefix("var.")] for key, value in given.items()}
    return {**values, "VmIds": ",".join(sorted(set(defaults["vm_ids"])))}


def typescript() -> Path:
    """The example with its packages; a checkout is left as it is."""
    return with_packages(EXAMPLES / "typescript", PROJECT / ".local" / "typescript", "app.ts", "tsconfig.json")
