"""A stack that a stored version has deployed is upgraded to this version, and goes back.

The stored version's template is deployed with the code of its commit. Where git does not have that commit, the working
tree's code stands in for it, as the name of each test says: the template is then still the stored one.

What tests/upgrade shows in virtual time, too, is long here.
"""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evs_entitlements.lambda_code import stage_code
from lambda_handler.ledger.packing import read_item
from testing.cdk import Done
from testing.observed import changing_calls, stack_status
from tests.e2e.conftest import Cloud
from tests.e2e.stacks import CONNECTOR, ENVIRONMENT, OTHER_CONNECTOR
from tests.e2e.test_monitor import Monitor
from tests.upgrade import assembly, fixed_app
from tests.upgrade.fixed_scene import ADOPTED, WINDOWS
from tests.upgrade.stored_code import is_in_git, stored_code
from tests.upgrade.versions import Version, newest

VM_IDS, CHANGED = list(fixed_app.VM_IDS), ["vm-102", "vm-103", "vm-104"]
OLDER, NEWER = "older", "newer"
NEIGHBOUR = "/upgrade/neighbour"


class Account:
    """The local AWS with one stack of the fixed app, deployed now by the older version and now by the newer one."""

    def __init__(self, cloud: Cloud, shell: Path, version: Version, stack: str) -> None:
        self.cloud, self.stack = cloud, stack
        self._shell = shell
        code = shell.parent / "newer-code"
        if not code.exists():
            stage_code(code)
        newer = json.loads((shell / f"{stack}.template.json").read_text())
        self._versions = {OLDER: (version.template(stack), stored_code(version).folder), NEWER: (newer, code)}

    def deploy(self, which: str, vm_ids: list[str] | None = None, *, change: Any = None) -> Done:
        """Deploy a version, with other VMs in the first set if they are given."""
        template, code = self._versions[which]
        template = copy.deepcopy(template)
        if vm_ids is not None:
            template["Resources"][WINDOWS]["Properties"]["VmIds"] = vm_ids
        if change is not None:
            change(template)
        folder = assembly.write(self._shell, self.stack, template, code, which)
        return self.cloud.deploy_assembly(folder, self.stack)

    def deployed(self, which: str, vm_ids: list[str] | None = None) -> list[str]:
        """Deploy a version, and return the calls that were to change an entitlement."""
        done = self.deploy(which, vm_ids)
        assert done.exit_code == 0, done.output
        return self.calls(done)

    def destroyed(self) -> None:
        done = self.cloud.destroy_assembly(str(self._shell), self.stack)
        assert done.exit_code == 0, done.output

    def calls(self, done: Done) -> list[str]:
        return changing_calls(self.cloud.aws, [f"vm-{number}" for number in range(101, 111)], since=done.began)

    def held(self) -> dict[str, list[str]]:
        return {one: self.cloud.evs.held(ENVIRONMENT, one) for one in (CONNECTOR, OTHER_CONNECTOR)}

    def _resources(self) -> list[dict[str, Any]]:
        client = self.cloud.aws.boto3_client("cloudformation")
        return list(client.describe_stack_resources(StackName=self.stack)["StackResources"])

    def physical_ids(self) -> dict[str, str]:
        return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in self._resources()}

    def codes(self) -> dict[str, str]:
        """Return the digest of each function's code, as Lambda has it."""
        client = self.cloud.aws.boto3_client("lambda")
        functions = [one for one in self._resources() if one["ResourceType"] == "AWS::Lambda::Function"]
        assert functions
        return {
            one["LogicalResourceId"]: client.get_function_configuration(FunctionName=one["PhysicalResourceId"])[
                "CodeSha256"
            ]
            for one in functions
        }

    def ledger(self) -> dict[str, Any]:
        (table,) = [
            one for name, one in self.physical_ids().items() if name.startswith("EvsEntitlementsProviderLedger")
        ]
        (item,) = self.cloud.aws.boto3_client("dynamodb").scan(TableName=table)["Items"]
        return dict(item)


@pytest.fixture(scope="module")
def shell(bootstrapped: Cloud) -> Path:
    return fixed_app.synthesize(bootstrapped.directory / "upgrade" / "cdk.out")


def _source(version: Version) -> str:
    return f"{version} of {version.commit[:7] if is_in_git(version.commit) else 'the working tree'}"


@pytest.fixture(params=[newest()], ids=_source)
def account(request: pytest.FixtureRequest, cloud: Cloud, shell: Path) -> Iterator[Callable[[str], Account]]:
    """Makes the account of a stack. The stack is deleted at the end, if it is there."""
    made: list[Account] = []

    def make(stack: str) -> Account:
        made.append(Account(cloud, shell, request.param, stack))
        return made[-1]

    yield make
    for one in made:
        if stack_status(cloud.aws, one.stack) != "GONE":
            cloud.destroy_assembly(str(shell), one.stack)


def test_an_upgrade_and_a_downgrade_touch_nothing_and_each_version_goes_on(
    account: Callable[[str], Account], cloud: Cloud
) -> None:
    stack = account(fixed_app.LICENCES)
    cloud.evs.entitle([ADOPTED])
    assert sorted(stack.deployed(OLDER)) == ["CreateEntitlement vm-101, vm-102", "CreateEntitlement vm-110"]
    ids, codes, ledger = stack.physical_ids(), stack.codes(), stack.ledger()
    licensed = {CONNECTOR: VM_IDS, OTHER_CONNECTOR: ["vm-110"]}
    assert stack.held() == licensed

    # Upgraded: other code, and nothing else.
    assert stack.deployed(NEWER) == []
    assert ids.items() <= stack.physical_ids().items()
    assert stack.codes().keys() == codes.keys()
    assert not set(stack.codes().values()) & set(codes.values())
    assert read_item(stack.ledger()) == read_item(ledger)

    # The newer version changes the set that the older one has made.
    assert stack.deployed(NEWER, CHANGED) == ["CreateEntitlement vm-104", "DeleteEntitlement vm-101"]
    assert stack.held() == {**licensed, CONNECTOR: CHANGED}
    changed = stack.physical_ids()
    assert {name for name in ids if ids[name] != changed[name]} == {WINDOWS}

    # Downgraded: the older version goes on from the newer one's ledger.
    assert stack.deployed(OLDER, CHANGED) == []
    assert stack.codes() == codes
    assert {name: changed[name] for name in ids} == stack.physical_ids()
    assert stack.deployed(OLDER) == ["CreateEntitlement vm-101", "DeleteEntitlement vm-104"]
    assert stack.held() == licensed
    assert stack.physical_ids() == ids
    assert all(map(cloud.always_licensed, ["vm-102", "vm-103", "vm-110"]))

    stack.destroyed()
    assert stack.held() == {CONNECTOR: [], OTHER_CONNECTOR: []}


@pytest.mark.long
def test_an_upgrade_that_is_rolled_back_loses_nothing_and_leaves_nothing(
    account: Callable[[str], Account], cloud: Cloud
) -> None:
    """The newer version makes the set; the older one, put back, deletes it."""
    stack = account(fixed_app.LICENCES)
    cloud.evs.entitle([ADOPTED])
    stack.deployed(OLDER)
    ids, codes = stack.physical_ids(), stack.codes()
    cloud.aws.boto3_client("ssm").put_parameter(Name=NEIGHBOUR, Value="1", Type="String", Overwrite=True)

    def fail_last(template: dict[str, Any]) -> None:
        template["Resources"]["Neighbour"] = {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Type": "String", "Value": "1", "Name": NEIGHBOUR},
            "DependsOn": [WINDOWS],
        }

    done = stack.deploy(NEWER, CHANGED, change=fail_last)
    assert done.exit_code != 0
    assert "Neighbour" in done.output
    assert stack.calls(done) == ["CreateEntitlement vm-104", "DeleteEntitlement vm-104"]
    assert all(map(cloud.always_licensed, [*VM_IDS, "vm-110"]))
    assert ids.items() <= stack.physical_ids().items()
    assert stack.codes() == codes

    assert stack.deployed(OLDER, CHANGED) == ["CreateEntitlement vm-104", "DeleteEntitlement vm-101"]
    stack.destroyed()
    assert stack.held() == {CONNECTOR: [], OTHER_CONNECTOR: []}


@pytest.mark.long
def test_the_monitor_tells_nothing_twice_over_an_upgrade_and_a_downgrade(
    account: Callable[[str], Account], cloud: Cloud
) -> None:
    stack = account(fixed_app.WATCHED)
    stack.deployed(OLDER)
    ids, ledger = stack.physical_ids(), stack.ledger()
    monitor = Monitor(cloud, stack.stack)
    try:
        cloud.evs.by_hand("set_connector", CONNECTOR, reachable=False)
        monitor.run()
        assert [event["detail-type"] for event in monitor.events()] == ["EVS Entitlements At Risk"]
        assert stack.deployed(NEWER) == []
        assert ids.items() <= stack.physical_ids().items()
        (line,) = monitor.run()
        assert (line["Declared"], line["AtRisk"]) == (2, 2)
        assert monitor.events() == []
        assert stack.deployed(OLDER) == []
        monitor.run()
        assert monitor.events() == []
    finally:
        cloud.evs.by_hand("set_connector", CONNECTOR, reachable=True)
    monitor.run()
    assert [event["detail-type"] for event in monitor.events()] == ["EVS Entitlements Back"]
    assert read_item(stack.ledger()) == read_item(ledger)
    stack.destroyed()
    assert stack.held() == {CONNECTOR: [], OTHER_CONNECTOR: []}
