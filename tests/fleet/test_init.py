"""`init` writes a policy that is valid, and chooses what the inventory has."""

import os
import pty
import select
import subprocess
import sys
from pathlib import Path

from evs_entitlements import EntitlementLock
from evs_fleet.policy import load
from tests.fleet.conftest import CONNECTOR, ENVIRONMENT
from tests.fleet.exports import Machine, csv_text, govc, machines, table
from tests.fleet.run import evs_entitlements, refused
from tests.fleet.vcenter import Simulator

IDS = ("--environment", ENVIRONMENT, "--connector", CONNECTOR)


def test_an_include_for_each_folder_of_a_vcenter(vcenter: Simulator, tmp_path: Path) -> None:
    vcenter.move(["DC0_H0_VM0", "DC0_H0_VM1"], "Windows [x]")
    (tmp_path / "ca.pem").write_bytes(vcenter.ca_file.read_bytes())
    place = ("--host", "127.0.0.1", "--port", vcenter.port, "--ca-file", "ca.pem")
    done = evs_entitlements("init", *IDS, *place, cwd=tmp_path, **vcenter.environment)
    assert (done.status, done.out) == (0, "")
    policy = load(tmp_path / "entitlements.toml")
    assert [one.folder for one in policy.include] == ["/DC0/vm", "/DC0/vm/Windows [[]x]"]
    assert policy.vcenter is not None
    assert policy.vcenter.ca_file == "ca.pem"
    text = (tmp_path / "entitlements.toml").read_text()
    assert "# 2 VMs, 2 vCPUs: DC0_H0_VM0, DC0_H0_VM1" in text
    assert evs_entitlements("resolve", cwd=tmp_path, **vcenter.environment).status == 0
    assert len(EntitlementLock.load(tmp_path / "entitlements.lock.json").vms) == 8


def test_from_an_export(tmp_path: Path) -> None:
    (tmp_path / "vms.csv").write_text(
        csv_text(table([*machines(), Machine(id="vm-70", folder='a "b" \\ c', uuid="x")]))
    )
    assert evs_entitlements("init", *IDS, "--inventory", "vms.csv", cwd=tmp_path).status == 0
    assert [one.folder for one in load(tmp_path / "entitlements.toml").include] == ["Windows", 'a "b" \\ c']
    assert evs_entitlements("resolve", "--inventory", "vms.csv", cwd=tmp_path).status == 0


def test_where_folders_are_not_known_or_too_many(tmp_path: Path) -> None:
    (tmp_path / "vms.json").write_text(govc(machines()))
    assert evs_entitlements("init", *IDS, "--inventory", "vms.json", cwd=tmp_path).status == 0
    assert [one.given for one in load(tmp_path / "entitlements.toml").include] == [{"name": "*"}]
    many = [Machine(id=f"vm-{n}", uuid=str(n), folder=f"F{n}") for n in range(30)]
    (tmp_path / "vms.json").write_text(govc(many, listed=True))
    assert evs_entitlements("init", *IDS, "--force", "--inventory", "vms.json", cwd=tmp_path).status == 0
    assert [one.given for one in load(tmp_path / "entitlements.toml").include] == [{"name": "*"}]


def test_no_connector_is_found_out_later(tmp_path: Path) -> None:
    (tmp_path / "vms.json").write_text(govc(machines()))
    done = evs_entitlements("init", "--environment", ENVIRONMENT, "--inventory", "vms.json", cwd=tmp_path)
    assert done.status == 0
    assert load(tmp_path / "entitlements.toml").connector is None


def test_a_policy_is_not_overwritten_unasked(tmp_path: Path) -> None:
    (tmp_path / "vms.json").write_text(govc(machines()))
    (tmp_path / "entitlements.toml").write_text("mine")
    refused(evs_entitlements("init", *IDS, "--inventory", "vms.json", cwd=tmp_path), "entitlements.toml", "--force")
    assert (tmp_path / "entitlements.toml").read_text() == "mine"


def test_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "vms.json").write_text(govc(machines()))
    wrong = ("--environment", "env-1", "--inventory", "vms.json")
    refused(evs_entitlements("init", *wrong, cwd=tmp_path), "environment", "'env-1'")
    assert not (tmp_path / "entitlements.toml").exists()
    refused(evs_entitlements("init", *IDS, cwd=tmp_path), "--host", "terminal")


#: What is asked, and what is answered once it has been: a hidden question drops what was typed before it.
DIALOGUE = (
    (b"vCenter, name or address", b"127.0.0.1\n"),
    (b"User of vCenter 127.0.0.1", b"reader@vsphere.local\n"),
    (b"Password of reader@vsphere.local", b"secret\n"),
    (b"is written", b""),
)


def test_questions_on_a_terminal(vcenter: Simulator, tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    place = ["--port", str(vcenter.port), "--ca-file", str(vcenter.ca_file)]
    running = subprocess.Popen(
        [sys.executable, "-m", "evs_fleet", "init", *IDS, *place],
        cwd=tmp_path,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("VCENTER_")},
    )
    os.close(follower)
    try:
        said = b""
        for question, answer in DIALOGUE:
            while question not in said:
                said += read(leader)
            os.write(leader, answer)
        assert running.wait(timeout=60) == 0
    finally:
        os.close(leader)
        running.kill()
        running.wait()
    assert b"secret" not in said
    assert len(load(tmp_path / "entitlements.toml").include) == 1


def read(leader: int) -> bytes:
    ready, _, _ = select.select([leader], [], [], 60)
    assert ready, "nothing was said for a minute"
    return os.read(leader, 4096)
