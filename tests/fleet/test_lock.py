"""The lock: stable bytes, its schema, and one clear error for whatever is wrong with it."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evs_entitlements import EntitlementLock
from evs_entitlements.lock import LockedVcenter, LockedVm
from evs_fleet.errors import LockError
from evs_fleet.lock_file import load_if_there, save

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/entitlements.lock.schema.json").read_text())
ENVIRONMENT, CONNECTOR = "env-abcde12345", "cnctr-abcde12345"
VALID: dict[str, Any] = {
    "version": 1,
    "environment_id": ENVIRONMENT,
    "connector_id": CONNECTOR,
    "vcenter": {"host": "vc01", "instance_uuid": "dbed6e0c"},
    "vms": [
        {
            "id": "vm-9",
            "name": "sql01",
            "instance_uuid": "5012",
            "guest_id": "windows2019srv_64Guest",
            "vcpus": 4,
            "folder": "/DC0/vm/Windows",
        },
        {"id": "vm-10", "name": "sql02"},
    ],
}


def changed(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in {**VALID, **values}.items() if value is not ...}


def vm(**values: Any) -> dict[str, Any]:
    return changed(vms=[{key: value for key, value in {**VALID["vms"][0], **values}.items() if value is not ...}])


def written(directory: Path, document: Any) -> Path:
    path = directory / "entitlements.lock.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def test_what_the_construct_takes(tmp_path: Path) -> None:
    lock = EntitlementLock.load(written(tmp_path, VALID))
    assert (lock.environment_id, lock.connector_id, lock.vm_ids) == (ENVIRONMENT, CONNECTOR, ["vm-9", "vm-10"])
    assert EntitlementLock.load(str(tmp_path / "entitlements.lock.json")) == lock
    jsonschema.validate(VALID, SCHEMA)


#: What both the schema and the loader refuse -> what the loader says.
WRONG: dict[str, tuple[Any, list[str]]] = {
    "another version": (changed(version=2), ["version: got 2, expected 1"]),
    "no version": (changed(version=...), ["version: got null"]),
    "a version that is a string": (changed(version="1"), ["version: got '1'"]),
    "a wrong environment": (changed(environment_id="env-1"), ["environment_id: got 'env-1'", "env-[a-zA-Z0-9]{10}"]),
    "a wrong connector": (changed(connector_id=5), ["connector_id: got 5"]),
    "no connector": (changed(connector_id=...), ["connector_id is missing"]),
    "no VMs": (changed(vms=[]), ["no VMs"]),
    "no list of VMs": (changed(vms=...), ["vms is missing"]),
    "VMs that are no list": (changed(vms={}), ["vms: got {}"]),
    "VMs that are ids": (changed(vms=["vm-1"]), ["vms[0]: got 'vm-1'"]),
    "another key": (changed(extra=1), ["unknown key 'extra'"]),
    "a VM with another key": (vm(extra=1), ["VM 'sql01'", "unknown key 'extra'"]),
    "a VM that EVS does not take": (vm(id="vm-x"), ["VM 'sql01'", "id: got 'vm-x'", "vm-[0-9]+"]),
    "a VM id with a line feed": (vm(id="vm-1\n"), ["VM 'sql01'", r"'vm-1\n'"]),
    "a VM without id": (vm(id=...), ["VM 'sql01'", "id is missing"]),
    "a VM without name": (vm(name=...), ["vms[0]", "name is missing"]),
    "a name that is a number": (vm(name=5), ["vms[0]: name: got 5"]),
    "a uuid that is a number": (vm(instance_uuid=5), ["VM 'sql01'", "instance_uuid: got 5"]),
    "half a CPU": (vm(vcpus=0.5), ["VM 'sql01'", "vcpus: got 0.5"]),
    "no CPU": (vm(vcpus=0), ["VM 'sql01'", "vcpus: got 0"]),
    "a vCenter that is a string": (changed(vcenter="vc01"), ["vcenter: got 'vc01'"]),
    "a vCenter with another key": (changed(vcenter={"port": 1}), ["vcenter", "'port'"]),
    "a list": ([], ["got [], expected a JSON object"]),
    "null": (None, ["got null"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(tmp_path: Path, case: str) -> None:
    document, words = WRONG[case]
    path = written(tmp_path, document)
    with pytest.raises(ValueError) as caught:
        EntitlementLock.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    for word in words:
        assert word in message
    if case != "a VM id with a line feed":  # the schema's $ matches before a line feed in Python
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(document, SCHEMA)


def test_a_vm_that_is_there_twice_is_named_both_times(tmp_path: Path) -> None:
    path = written(tmp_path, changed(vms=[{"id": "vm-1", "name": "a"}, {"id": "vm-1", "name": "b"}]))
    with pytest.raises(ValueError, match="vm-1 is there twice, as 'a' and as 'b'"):
        EntitlementLock.load(path)


@pytest.mark.parametrize("text", ["", "{", "<<<<<<< HEAD\n{}", '{"version": 1,}', "[" * 100_000])
def test_what_is_no_json(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"entitlements\.lock\.json: not JSON"):
        EntitlementLock.load(written(tmp_path, text))


def test_files_that_can_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.json: no such file; `evs-entitlements resolve` writes it"):
        EntitlementLock.load(tmp_path / "none.json")
    with pytest.raises(ValueError, match="can't be read: Is a directory"):
        EntitlementLock.load(tmp_path)
    (tmp_path / "latin").write_bytes(b'{"x": "\xfc"}')
    with pytest.raises(ValueError, match="latin: not UTF-8 text"):
        EntitlementLock.load(tmp_path / "latin")


TEXT = st.one_of(st.none(), st.text(max_size=8))
VMS = st.builds(
    LockedVm,
    id=st.integers(0, 10**9).map("vm-{}".format),
    name=st.text(max_size=8),
    instance_uuid=TEXT,
    guest_id=TEXT,
    vcpus=st.one_of(st.none(), st.integers(1, 512)),
    folder=TEXT,
)
VCENTERS = st.one_of(st.none(), st.builds(LockedVcenter, host=TEXT, instance_uuid=TEXT))


@given(st.lists(VMS, min_size=1, max_size=8, unique_by=lambda vm: vm.id), VCENTERS, st.randoms())
def test_same_lock_same_bytes_in_whatever_order(
    vms: list[LockedVm], vcenter: LockedVcenter | None, random: Any
) -> None:
    lock = EntitlementLock.make(ENVIRONMENT, CONNECTOR, vms, vcenter)
    random.shuffle(vms)
    assert EntitlementLock.make(ENVIRONMENT, CONNECTOR, vms, vcenter).to_text() == lock.to_text()
    assert EntitlementLock.parse(lock.to_text(), "x") == lock
    jsonschema.validate(json.loads(lock.to_text()), SCHEMA)
    numbers = [int(vm.id.removeprefix("vm-")) for vm in lock.vms]
    assert numbers == sorted(numbers)


def test_the_bytes(tmp_path: Path) -> None:
    lock = EntitlementLock.load(written(tmp_path, VALID))
    assert lock.to_text() == (
        '{"version": 1, "environment_id": "env-abcde12345", "connector_id": "cnctr-abcde12345", '
        '"vcenter": {"host": "vc01", "instance_uuid": "dbed6e0c"},\n'
        ' "vms": [\n'
        '  {"id": "vm-9", "name": "sql01", "instance_uuid": "5012", "guest_id": "windows2019srv_64Guest", "vcpus": 4, '
        '"folder": "/DC0/vm/Windows"},\n'
        '  {"id": "vm-10", "name": "sql02", "instance_uuid": null, "guest_id": null, "vcpus": null, "folder": null}\n'
        " ]}\n"
    )


def test_a_lock_is_written_at_once_or_not_at_all(tmp_path: Path) -> None:
    lock = EntitlementLock.load(written(tmp_path, VALID))
    path = tmp_path / "new.json"
    assert save(lock, path)
    assert not save(lock, path)
    path.chmod(0o640)
    path.write_text("old")
    assert save(lock, path)
    assert path.stat().st_mode & 0o777 == 0o640
    assert load_if_there(path) == lock
    assert sorted(file.name for file in tmp_path.iterdir()) == ["entitlements.lock.json", "new.json"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    lock = EntitlementLock.load(written(tmp_path, VALID))
    (tmp_path / "link").symlink_to("target")
    assert save(lock, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == lock.to_text()


def test_a_lock_that_can_not_be_written(tmp_path: Path) -> None:
    lock = EntitlementLock.load(written(tmp_path, VALID))
    with pytest.raises(LockError, match="can't be written"):
        save(lock, tmp_path / "none" / "x.json")
    with pytest.raises(LockError, match="can't be written: Is a directory"):
        save(lock, tmp_path)
