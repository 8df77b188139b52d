"""The command `evs-entitlements` and the real CDK CLI together: what is chosen, deployed and checked is one thing."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from evs_entitlements.lock import EntitlementLock
from testing.cdk import Done as DeployDone
from testing.observed import changing_calls
from tests.e2e.conftest import APP, Cloud
from tests.e2e.stacks import CONNECTOR, ENVIRONMENT, Variant
from tests.fleet.run import Done, evs_entitlements

WINDOWS = "windows2019srv_64Guest"
WHERE = ("--environment", ENVIRONMENT, "--connector", CONNECTOR)


class Fleet:
    """A folder with policy, lock and inventory, and the command that is run in it."""

    def __init__(self, cloud: Cloud, directory: Path) -> None:
        self.cloud, self.directory = cloud, directory

    def __call__(self, *arguments: str, status: int | None = None) -> Done:
        environment = self.cloud.aws.environment()
        done = evs_entitlements(*arguments, cwd=self.directory, **environment)
        assert "Traceback" not in done.err
        assert status in (None, done.status), (done.out, done.err)
        return done

    def json(self, *arguments: str, status: int) -> Any:
        return json.loads(self(*arguments, "--output", "json", status=status).out)

    def deploy(self, name: str, *options: str) -> DeployDone:
        """Deploy what the lock says, by the app's own context value."""
        lock = str(self.directory / "entitlements.lock.json")
        done = self.cloud.deploy_app(APP, "-c", f"lockFile={lock}", "-c", f"stackName={name}", *options)
        assert done.exit_code == 0, done.output
        assert f"{len(self.lock.vm_ids)} VMs are declared for {ENVIRONMENT} at {CONNECTOR}" in done.output
        return done

    def deployed(self, name: str) -> DeployDone:
        """Deploy a stack of the lock's VMs."""
        done = self.cloud.deployed(Variant(name, self.lock.vm_ids))
        assert (self.lock.environment_id, self.lock.connector_id) == (ENVIRONMENT, CONNECTOR)
        return done

    @property
    def lock(self) -> EntitlementLock:
        return EntitlementLock.load(self.directory / "entitlements.lock.json")

    def inventory(self, *vms: tuple[str, str, str]) -> None:
        """Write what `govc vm.info -json` prints of a vCenter with these VMs: id, name, instance UUID."""
        machines = [
            {
                "self": {"type": "VirtualMachine", "value": vm_id},
                "name": name,
                "config": {"instanceUuid": uuid, "guestId": WINDOWS, "hardware": {"numCPU": 2}},
                "runtime": {"powerState": "poweredOn", "connectionState": "connected"},
            }
            for vm_id, name, uuid in vms
        ]
        (self.directory / "vms.json").write_text(json.dumps({"virtualMachines": machines}))


@pytest.fixture
def fleet(cloud: Cloud, tmp_path: Path) -> Fleet:
    return Fleet(cloud, tmp_path)


def test_an_environment_entitled_by_hand_moves_under_cdk_with_no_call(cloud: Cloud, fleet: Fleet) -> None:
    by_hand = ["vm-101", "vm-102", "vm-103"]
    cloud.evs.entitle(by_hand, environment_id=ENVIRONMENT, connector_id=CONNECTOR)
    fleet("import", *WHERE, status=0)
    assert fleet.lock.vm_ids == by_hand

    name = cloud.name()
    done = fleet.deploy(name, "-c", "adoptExisting=true")
    assert changing_calls(cloud.aws, by_hand, since=done.began) == []
    assert cloud.held() == by_hand

    # The lock and the stack are the same now, and EVS has it all.
    fleet("check", status=0)
    found = fleet.json("check", "--stack", name, status=0)
    assert found["declared_by"] == f"stack {name}"
    assert found["places"][0]["counts"]["licensed"] == 3
    assert fleet("watch", "--stack", name, status=0).out == "ok: CREATE_COMPLETE: 3 of 3 licensed\n"

    # Somebody removes one in the console, and entitles another.
    cloud.evs.remove(["vm-102"])
    cloud.evs.entitle(["vm-110"], environment_id=ENVIRONMENT, connector_id=CONNECTOR)
    for arguments in (("check",), ("check", "--stack", name)):
        findings = fleet.json(*arguments, status=1)["findings"]
        assert [(row["kind"], row["vm_id"]) for row in findings] == [("missing", "vm-102"), ("undeclared", "vm-110")]


def test_a_vm_that_is_registered_anew_is_licensed_under_its_new_id_first(cloud: Cloud, fleet: Fleet) -> None:
    (fleet.directory / "entitlements.toml").write_text(
        f'environment = "{ENVIRONMENT}"\nconnector = "{CONNECTOR}"\n[[include]]\nname = "sql*"\n'
    )
    uuids = {name: f"5000{number}" for number, name in enumerate(("sql01", "sql02"))}
    fleet.inventory(("vm-103", "sql01", uuids["sql01"]), ("vm-104", "sql02", uuids["sql02"]))
    fleet("resolve", "--inventory", "vms.json", status=0)
    assert fleet.lock.vm_ids == ["vm-103", "vm-104"]
    name = cloud.name()
    fleet.deployed(name)
    fleet("check", "--inventory", "vms.json", status=0)

    # EVS has not noticed yet: the former id is entitled, and Windows runs under another.
    cloud.evs.by_hand("set_vm", "vm-1303", name="sql01")
    fleet.inventory(("vm-1303", "sql01", uuids["sql01"]), ("vm-104", "sql02", uuids["sql02"]))
    (finding,) = fleet.json("check", "--inventory", "vms.json", status=1)["findings"]
    assert (finding["kind"], finding["vm_id"], finding["new_id"]) == ("id_changed", "vm-103", "vm-1303")

    fleet("resolve", "--inventory", "vms.json", status=0)
    assert fleet.lock.vm_ids == ["vm-104", "vm-1303"]
    done = fleet.deployed(name)
    assert cloud.held() == ["vm-104", "vm-1303"]
    assert changing_calls(cloud.aws, ["vm-104"], since=done.began) == []
    (began, until), *_ = cloud.evs.intervals("vm-1303")
    ((_, ended),) = cloud.evs.intervals("vm-103")
    assert until is None
    assert ended is not None
    assert began <= ended
    assert cloud.always_licensed("vm-104")

    fleet("check", "--inventory", "vms.json", status=0)
    fleet("check", "--stack", name, "--inventory", "vms.json", status=0)


def test_the_doctor_asks_iam_about_the_function(cloud: Cloud, fleet: Fleet) -> None:
    name = cloud.name()
    cloud.deployed(Variant(name, ["vm-101"]))
    ec2 = cloud.aws.boto3_client("ec2")
    service = f"com.amazonaws.{cloud.aws.region}.evs-windows-server-activation"
    ec2.create_vpc_endpoint(
        VpcId=ec2.describe_vpcs()["Vpcs"][0]["VpcId"], ServiceName=service, VpcEndpointType="Interface"
    )
    results = {row["check"]: row for row in fleet.json("doctor", *WHERE, "--stack", name, status=0)}
    assert results["stack"]["text"] == f"{name}: CREATE_COMPLETE"
    assert results["function's permissions"]["state"] == "ok"
    assert results["activation endpoint"]["state"] == "ok"

    forbidden = Variant(name, ["vm-101"], forbidden=("evs:DeleteEntitlement",))
    cloud.deployed(forbidden)
    results = {row["check"]: row for row in fleet.json("doctor", *WHERE, "--stack", name, status=1)}
    assert "denied: evs:DeleteEntitlement on arn:aws:evs:" in results["function's permissions"]["text"]
    cloud.deployed(Variant(name, ["vm-101"]))


def test_a_deployment_is_watched_while_it_runs(cloud: Cloud, fleet: Fleet) -> None:
    name = cloud.name()
    stack = Variant(name, ["vm-101", "vm-102"])
    cloud.evs.set(create_latency=6.0)
    thread = threading.Thread(target=cloud.deploy, args=(stack,))
    thread.start()
    try:
        # The stack is there some seconds after the CLI was started.
        while cloud.status(stack) == "GONE":
            assert thread.is_alive()
        done = fleet("watch", "--stack", name, "--interval", "0.3", "--timeout", "120", status=0)
    finally:
        thread.join()
    assert done.out == "ok: CREATE_COMPLETE: 2 of 2 licensed\n"
    assert "CREATE_IN_PROGRESS: 0 of 2 licensed, 2 creating" in done.err

    cloud.evs.set(delete_latency=6.0)
    thread = threading.Thread(target=cloud.destroy, args=(stack,))
    thread.start()
    try:
        while cloud.status(stack) == "CREATE_COMPLETE":
            assert thread.is_alive()
        done = fleet("watch", "--stack", name, "--interval", "0.3", "--timeout", "120", status=0)
    finally:
        thread.join()
    assert done.out == "ok: DELETE_COMPLETE: 0 of 0 licensed\n"
    assert cloud.held() == []
