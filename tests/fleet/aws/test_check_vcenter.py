"""`check` and `import` against a real vCenter API and the EVS API together."""

from pathlib import Path

import pytest

from evs_entitlements.lock import EntitlementLock
from local_aws.evs_api import EvsControl
from tests.fleet.aws.conftest import CONNECTOR, ENVIRONMENT, Run
from tests.fleet.conftest import WritePolicy
from tests.fleet.vcenter import Simulator

INCLUDED = '[[include]]\nname = "DC0_H0_*"\n[[exclude]]\nname = "DC0_C0_*"\nreason = "not moved yet"\n'


@pytest.fixture
def resolved(
    evs: EvsControl, vcenter: Simulator, write_policy: WritePolicy, run: Run, monkeypatch: pytest.MonkeyPatch
) -> EvsControl:
    """A policy, the lock that comes of it, and EVS that holds what it says."""
    for name, value in vcenter.environment.items():
        monkeypatch.setenv(name, value)
    write_policy(INCLUDED)
    assert run("resolve").status == 0
    vm_ids = EntitlementLock.load("entitlements.lock.json").vm_ids
    # The EVS API on this machine knows the VMs of its own inventory alone.
    for vm_id in vm_ids:
        evs.by_hand("set_vm", vm_id)
    evs.entitle(vm_ids)
    return evs


def test_all_is_right_until_a_vm_is_registered_anew(resolved: EvsControl, run: Run, vcenter: Simulator) -> None:
    assert run("check").status == 0
    old, new = vcenter.reregister("DC0_H0_VM0")
    # The simulator forgets the guest.
    vcenter.configure("DC0_H0_VM0", guestId="windows2019srv_64Guest")
    ran = run("check", "--output", "json")
    assert ran.status == 1
    (finding,) = ran.json["findings"]
    assert (finding["kind"], finding["vm_id"], finding["new_id"]) == ("id_changed", old, new)

    # Resolved and deployed, all is right again.
    assert run("resolve").status == 0
    resolved.remove([old])
    resolved.by_hand("set_vm", new)
    resolved.entitle([new])
    assert run("check").status == 0


def test_a_vm_that_nobody_has_decided_on(resolved: EvsControl, run: Run, vcenter: Simulator) -> None:
    vcenter.rename("DC0_C0_RP0_VM0", "new01")
    ran = run("check", "--output", "json")
    assert ran.status == 1
    assert [(row["kind"], row["name"]) for row in ran.json["findings"]] == [("new", "new01")]


def test_a_wrong_password_leaves_vcenter_out_and_is_said(
    resolved: EvsControl, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VCENTER_PASSWORD", "n0t-this-one")
    ran = run("check")
    assert ran.status == 0
    assert "vCenter was not asked: vCenter 127.0.0.1" in ran.err
    assert "n0t-this-one" not in ran.err


def test_import_has_names_and_uuids_from_vcenter(resolved: EvsControl, run: Run, here: Path) -> None:
    ran = run("import", "--environment", ENVIRONMENT, "--connector", CONNECTOR, "--lock", "imported.json")
    assert ran.status == 0
    imported, lock = EntitlementLock.load(here / "imported.json"), EntitlementLock.load("entitlements.lock.json")
    assert imported.vms == lock.vms
    assert imported.vcenter == lock.vcenter
