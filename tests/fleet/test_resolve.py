"""`resolve` against a real vCenter API: what the lock becomes, what is said of it, and when it is not written."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from evs_entitlements import EntitlementLock
from tests.fleet.conftest import CONNECTOR, ENVIRONMENT, WritePolicy
from tests.fleet.exports import Machine, csv_text, govc, machines, table
from tests.fleet.run import Done, evs_entitlements, refused
from tests.fleet.vcenter import Simulator, simulator

ALL = '[[include]]\nname = "*"\n'


@pytest.fixture
def resolve(vcenter: Simulator, tmp_path: Path) -> "Resolve":
    return Resolve(vcenter, tmp_path)


class Resolve:
    """Runs `resolve` in one directory, against one vCenter."""

    def __init__(self, vcenter: Simulator, directory: Path) -> None:
        self._vcenter, self._directory = vcenter, directory

    def __call__(self, *arguments: str) -> Done:
        return evs_entitlements("resolve", *arguments, cwd=self._directory, **self._vcenter.environment)

    def json(self, *arguments: str, status: int = 0) -> dict[str, Any]:
        done = self("--output", "json", *arguments)
        assert done.status == status, done.err
        document: dict[str, Any] = json.loads(done.out)
        return document

    @property
    def path(self) -> Path:
        return self._directory / "entitlements.lock.json"

    def lock(self) -> EntitlementLock:
        return EntitlementLock.load(self.path)


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["name"] for row in rows]


def test_a_first_lock(vcenter: Simulator, resolve: Resolve, write_policy: WritePolicy) -> None:
    write_policy(ALL)
    assert resolve("--check").status == 1
    assert not resolve.path.exists()
    done = resolve()
    assert (done.status, done.err) == (0, "")
    assert "8 VMs, 8 vCPUs" in done.out
    lock = resolve.lock()
    assert (lock.environment_id, lock.connector_id, len(lock.vms)) == (ENVIRONMENT, CONNECTOR, 8)
    assert vcenter.id("DC0_H0_VM0") in lock.vm_ids
    assert lock.vcenter is not None
    assert lock.vcenter.host == "127.0.0.1"
    assert {(vm.guest_id, vm.vcpus, vm.folder) for vm in lock.vms} == {("windows2019srv_64Guest", 1, "/DC0/vm")}
    before = resolve.path.read_bytes()
    assert resolve("--check").status == 0
    assert resolve().status == 0
    assert resolve.path.read_bytes() == before


def test_a_vm_that_is_registered_anew(vcenter: Simulator, resolve: Resolve, write_policy: WritePolicy) -> None:
    write_policy(ALL)
    resolve()
    old, new = vcenter.reregister("DC0_H0_VM1")
    # The simulator forgets the guest of a VM that is registered anew.
    vcenter.configure("DC0_H0_VM1", guestId="windows2019srv_64Guest")
    found = resolve.json("--check", status=1)
    assert [(row["name"], row["before"], row["after"]) for row in found["reregistered"]] == [("DC0_H0_VM1", old, new)]
    assert [found[kind] for kind in ("added", "removed", "renamed", "changed")] == [[], [], [], []]
    done = resolve()
    assert done.status == 0
    line = next(line for line in done.out.splitlines() if "re-registered" in line)
    assert f"{old} -> {new}" in line
    assert "DC0_H0_VM1" in line
    assert new in resolve.lock().vm_ids
    assert old not in resolve.lock().vm_ids
    assert resolve("--check").status == 0


def test_a_vm_that_is_registered_anew_and_that_evs_would_refuse(
    vcenter: Simulator, resolve: Resolve, write_policy: WritePolicy
) -> None:
    write_policy(ALL)
    resolve()
    old, new = vcenter.reregister("DC0_H0_VM1")
    (removed,) = resolve.json("--check", status=1)["removed"]
    assert removed["id"] == old
    assert removed["why"] == f"registered anew as {new}; EVS would refuse it: its guest is not known"


def test_renamed_and_resized(vcenter: Simulator, resolve: Resolve, write_policy: WritePolicy) -> None:
    write_policy(ALL)
    resolve()
    vcenter.rename("DC0_H0_VM1", "sql01")
    vcenter.configure("DC0_H0_VM2", numCPUs=8)
    vcenter.move(["DC0_H0_VM3"], "Windows")
    found = resolve.json("--check", status=1)
    assert [(row["before"], row["after"]) for row in found["renamed"]] == [("DC0_H0_VM1", "sql01")]
    changed = {(row["name"], row["field"], row["before"], row["after"]) for row in found["changed"]}
    assert changed == {("DC0_H0_VM2", "vcpus", 1, 8), ("DC0_H0_VM3", "folder", "/DC0/vm", "/DC0/vm/Windows")}
    assert found["cost"]["vcpus"] == 15
    assert [found[kind] for kind in ("added", "removed", "reregistered")] == [[], [], []]


def test_added_and_removed_with_the_reason(vcenter: Simulator, resolve: Resolve, write_policy: WritePolicy) -> None:
    write_policy(ALL)
    vcenter.configure("DC0_H0_VM0", guestId="rhel8_64Guest")
    resolve()
    vcenter.configure("DC0_H0_VM0", guestId="windows9Server64Guest")
    vcenter.configure("DC0_H0_VM1", guestId="windows8Server64Guest")
    write_policy(ALL + '[[exclude]]\nname = "*_H0_VM2"\nreason = "own licence, contract 4711"\n')
    found = resolve.json("--check", status=1)
    assert names(found["added"]) == ["DC0_H0_VM0"]
    assert {row["name"]: row["why"] for row in found["removed"]} == {
        "DC0_H0_VM1": "EVS would refuse it: guest windows8Server64Guest is not Windows Server 2016 or later",
        "DC0_H0_VM2": "excluded: own licence, contract 4711",
    }
    assert {row["name"]: row["why"] for row in found["refused"]} == {
        "DC0_H0_VM1": "guest windows8Server64Guest is not Windows Server 2016 or later"
    }
    assert {row["name"]: row["why"] for row in found["excluded"]} == {"DC0_H0_VM2": "own licence, contract 4711"}


def test_folders_and_tags_choose(vcenter: Simulator, resolve: Resolve, write_policy: WritePolicy) -> None:
    vcenter.move(["DC0_H0_VM0", "DC0_H0_VM1"], "Windows/SQL")
    vcenter.tag("licence", "aws", [vcenter.id("DC0_C0_RP0_VM3")])
    write_policy('[[include]]\nfolder = "/DC0/vm/Windows/**"\nname = "*vm1"\n[[include]]\ntag = "licence:aws"\n')
    resolve()
    assert sorted(vm.name for vm in resolve.lock().vms) == ["DC0_C0_RP0_VM3", "DC0_H0_VM1"]


def test_what_matches_nothing_is_named(resolve: Resolve, write_policy: WritePolicy) -> None:
    write_policy(ALL + '[[include]]\nname = "nothing*"\n[[exclude]]\nfolder = "/DC9/**"\nreason = "gone"\n')
    done = resolve()
    assert done.status == 0
    assert "warning: entitlements.toml:9: [[include]] 2: matches no VM of vCenter 127.0.0.1" in done.err
    assert "warning: entitlements.toml:11: [[exclude]] 1: matches no VM" in done.err


def test_a_policy_that_chooses_nothing_writes_nothing(
    vcenter: Simulator, resolve: Resolve, write_policy: WritePolicy
) -> None:
    write_policy('[[include]]\nname = "DC0_H0_VM0"\n')
    vcenter.configure("DC0_H0_VM0", guestId="rhel8_64Guest")
    refused(resolve("--yes"), "entitlements.toml", "no VM is chosen of 8 VMs", "DC0_H0_VM0", "rhel8_64Guest")
    assert not resolve.path.exists()


def test_more_than_a_third_is_not_removed_unasked(resolve: Resolve, write_policy: WritePolicy) -> None:
    write_policy(ALL)
    resolve()
    before = resolve.path.read_bytes()
    # Three of eight are more than a third, two are not.
    write_policy(ALL + '[[exclude]]\nname = "*H0_VM[012]"\nreason = "x"\n')
    done = resolve()
    assert done.status == 2
    assert "would remove 3 of 8 VMs" in done.err
    assert "--yes" in done.err
    assert done.out.count("\n removed ") == 3
    assert resolve.path.read_bytes() == before
    assert resolve("--check").status == 1
    write_policy(ALL + '[[exclude]]\nname = "*H0_VM[01]"\nreason = "x"\n')
    assert resolve().status == 0
    assert len(resolve.lock().vms) == 6
    write_policy('[[include]]\nname = "DC0_H0_VM3"\n')
    assert resolve("--yes").status == 0
    assert [vm.name for vm in resolve.lock().vms] == ["DC0_H0_VM3"]


def test_a_folder_that_was_renamed_unlicenses_nobody(
    vcenter: Simulator, resolve: Resolve, write_policy: WritePolicy
) -> None:
    vcenter.move(["DC0_H0_VM0", "DC0_H0_VM1", "DC0_H0_VM2"], "Windows")
    write_policy('[[include]]\nfolder = "/DC0/vm/Windows/**"\n[[include]]\nname = "DC0_H0_VM3"\n')
    resolve()
    vcenter.rename_folder("Windows", "Windows Server")
    done = resolve()
    assert done.status == 2
    assert "[[include]] 1: matches no VM" in done.err
    assert "no include matches it" in done.out
    assert len(resolve.lock().vms) == 4


def test_another_vcenter_is_refused_unless_told(
    resolve: Resolve, write_policy: WritePolicy, vcenter: Simulator, tmp_path: Path
) -> None:
    write_policy(ALL)
    resolve()
    was = resolve.lock().vcenter
    assert was is not None
    with simulator(vms=4, guests="windows2019srv_64Guest") as other:
        WritePolicy(tmp_path, other)(ALL)
        refused(Resolve(other, tmp_path)(), "instance_uuid", str(was.instance_uuid), "--other-vcenter")
        found = Resolve(other, tmp_path).json("--other-vcenter", "--yes")
        assert found["moved"][0].startswith(f"vcenter: 127.0.0.1 ({was.instance_uuid}) -> 127.0.0.1 (")
    now = resolve.lock().vcenter
    assert now is not None
    assert now.instance_uuid != was.instance_uuid


def test_another_connector_removes_all_and_is_asked_for(
    resolve: Resolve, write_policy: WritePolicy, tmp_path: Path
) -> None:
    path = write_policy(ALL)
    resolve()
    path.write_text(path.read_text().replace(CONNECTOR, "cnctr-zzzzz99999"))
    found = resolve("--output", "json")
    assert found.status == 2
    document = json.loads(found.out)
    assert document["moved"] == [f"connector_id: {CONNECTOR} -> cnctr-zzzzz99999"]
    assert len(document["removed"]) == len(document["added"]) == 8
    assert resolve("--yes").status == 0
    assert resolve.lock().connector_id == "cnctr-zzzzz99999"


def test_price_and_its_source(resolve: Resolve, write_policy: WritePolicy) -> None:
    write_policy(ALL)
    done = resolve()
    # 8 vCPUs, 730 hours, 0.046 USD.
    assert "268.64 USD a month" in done.out
    assert "0.046 USD a vCPU-hour" in done.out
    assert "not AWS's price list" in done.out
    cost = resolve.json("--price", "0.1")["cost"]
    assert (cost["usd_per_month"], cost["usd_per_vcpu_hour"], cost["source"]) == (584.0, 0.1, "--price")


def test_forms_of_output(vcenter: Simulator, resolve: Resolve, write_policy: WritePolicy) -> None:
    vcenter.configure("DC0_H0_VM0", guestId="rhel8_64Guest")
    write_policy(ALL)
    ids = resolve("--output", "ids").out.split()
    assert ids == resolve.lock().vm_ids
    assert len(ids) == 7
    rows = list(csv.DictReader(io.StringIO(resolve("--output", "csv").out)))
    assert [(row["change"], row["name"]) for row in rows] == [("refused", "DC0_H0_VM0")]


def test_long_lists_of_refused_vms_are_cut_in_a_table_alone(tmp_path: Path) -> None:
    linux = [Machine(id=f"vm-{n}", name=f"web{n:02}", uuid=str(n), guest_id="rhel8_64Guest") for n in range(100, 150)]
    old = Machine(id="vm-99", name="zzz", uuid="99", guest_id="windows8Server64Guest", guest="Windows Server 2012")
    (tmp_path / "vms.json").write_text(govc([Machine(), *linux, old]))
    (tmp_path / "entitlements.toml").write_text(
        f'environment = "{ENVIRONMENT}"\nconnector = "{CONNECTOR}"\n[[include]]\nname = "*"\n'
    )
    done = evs_entitlements("--inventory", "vms.json", "resolve", cwd=tmp_path)
    assert done.out.count("\n refused ") == 21
    assert "and 31 more" in done.out
    # A Windows that EVS would refuse is what one has to see.
    assert "zzz" in done.out
    done = evs_entitlements("--inventory", "vms.json", "resolve", "--output", "json", cwd=tmp_path)
    assert len(json.loads(done.out)["refused"]) == 51


def test_from_an_export_without_vcenter_and_without_aws(tmp_path: Path) -> None:
    (tmp_path / "vms.csv").write_text(csv_text(table(machines()), ";"))
    (tmp_path / "entitlements.toml").write_text(
        f'environment = "{ENVIRONMENT}"\nconnector = "{CONNECTOR}"\n[[include]]\nfolder = "Windows"\n'
    )
    done = evs_entitlements("--inventory", "vms.csv", "resolve", cwd=tmp_path)
    assert done.status == 0, done.err
    lock = EntitlementLock.load(tmp_path / "entitlements.lock.json")
    assert lock.vm_ids == ["vm-57", "vm-58"]
    assert lock.vcenter is not None
    assert lock.vcenter.host == "vc01.corp.example.com"
    assert lock.vcenter.instance_uuid == "dbed6e0c-bd88-4ef6-b594-21283e1c677f"
    # govc does not say which vCenter it is: what the lock knows stays.
    (tmp_path / "vms.json").write_text(govc(machines(), listed=True))
    text = (tmp_path / "entitlements.toml").read_text().replace('folder = "Windows"', 'folder = "/DC0/vm/Windows"')
    (tmp_path / "entitlements.toml").write_text(text)
    assert evs_entitlements("--inventory", "vms.json", "resolve", cwd=tmp_path).status == 0
    assert EntitlementLock.load(tmp_path / "entitlements.lock.json").vcenter == lock.vcenter


def test_an_include_that_an_export_cannot_answer(tmp_path: Path) -> None:
    (tmp_path / "vms.json").write_text(govc(machines()))
    (tmp_path / "entitlements.toml").write_text(
        f'environment = "{ENVIRONMENT}"\nconnector = "{CONNECTOR}"\n[[include]]\nname = "*"\n'
        '[[exclude]]\ntag = "licence:own"\nreason = "ours"\n'
    )
    done = evs_entitlements("--inventory", "vms.json", "resolve", cwd=tmp_path)
    refused(done, "entitlements.toml:5: [[exclude]] 1", "tag", "vms.json")


def test_files_that_are_not_there(tmp_path: Path) -> None:
    refused(evs_entitlements("resolve", cwd=tmp_path), "entitlements.toml", "no such file", "init")
    (tmp_path / "folder").mkdir()
    refused(evs_entitlements("-f", "folder", "resolve", cwd=tmp_path), "folder", "directory")
    (tmp_path / "entitlements.toml").write_text(f'environment = "{ENVIRONMENT}"\n[[include]]\nname = "*"\n')
    refused(evs_entitlements("resolve", cwd=tmp_path), "--inventory", "[vcenter]")
    refused(evs_entitlements("resolve", "--inventory", "none.csv", cwd=tmp_path), "none.csv", "no such file")
    (tmp_path / "vms.json").write_text(govc(machines()))
    refused(
        evs_entitlements("resolve", "--inventory", "vms.json", "--lock", "folder", cwd=tmp_path), "folder", "directory"
    )


def test_a_lock_that_is_broken_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "vms.json").write_text(govc(machines()))
    (tmp_path / "entitlements.toml").write_text(
        f'environment = "{ENVIRONMENT}"\nconnector = "{CONNECTOR}"\n[[include]]\nname = "*"\n'
    )
    (tmp_path / "entitlements.lock.json").write_text("<<<<<<< HEAD\n")
    refused(evs_entitlements("resolve", "--inventory", "vms.json", cwd=tmp_path), "entitlements.lock.json", "not JSON")
    assert (tmp_path / "entitlements.lock.json").read_text() == "<<<<<<< HEAD\n"
