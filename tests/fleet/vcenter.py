"""A real vCenter API for tests: govmomi's simulator, built from Debian's packages where they are or can be installed.

Owns the process, its certificate and the changes that tests make in it by pyVmomi and REST.
"""

from __future__ import annotations

import functools
import os
import shutil
import ssl
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
import urllib3
from filelock import FileLock
from pyVim.connect import Disconnect, SmartConnect
from pyVim.task import WaitForTask
from pyVmomi import vim, vmodl

SOURCE = Path(__file__).parent / "vcsim"
STATE = Path(__file__).resolve().parents[2] / ".local" / "vcsim"
GOVMOMI = Path("/usr/share/gocode/src/github.com/vmware/govmomi/vapi/simulator")
PACKAGES = ["golang-go", "golang-github-vmware-govmomi-dev"]
USER, PASSWORD = "reader@vsphere.local", "secret"
BUILD_SECONDS, INSTALL_SECONDS, START_SECONDS = 300, 400, 60


@dataclass(frozen=True)
class Simulator:
    """A running vCenter."""

    port: int
    ca_file: Path

    @property
    def environment(self) -> dict[str, str]:
        """What the command needs to log in."""
        return {"VCENTER_USER": USER, "VCENTER_PASSWORD": PASSWORD}

    @contextmanager
    def session(self) -> Iterator[Any]:
        """Log in as an administrator would; yield pyVmomi's content."""
        tls = ssl.create_default_context(cafile=self.ca_file)
        instance = SmartConnect(host="127.0.0.1", port=self.port, user=USER, pwd=PASSWORD, sslContext=tls)
        try:
            yield instance.RetrieveContent()
        finally:
            Disconnect(instance)

    def tag(self, category: str, tag: str, vm_ids: list[str]) -> None:
        """Make a category and a tag and attach it to VMs."""
        root = f"https://127.0.0.1:{self.port}/rest/com/vmware/cis"
        with urllib3.PoolManager(ca_certs=str(self.ca_file)) as pool:
            login = urllib3.make_headers(basic_auth=f"{USER}:{PASSWORD}")
            session = pool.request("POST", f"{root}/session", headers=login).json()["value"]
            headers = {"vmware-api-session-id": session}

            def post(path: str, body: Any) -> Any:
                answer = pool.request("POST", f"{root}/tagging/{path}", json=body, headers=headers)
                assert answer.status == 200, answer.data
                return answer.json().get("value") if answer.data else None

            spec = {"name": category, "description": "", "cardinality": "MULTIPLE", "associable_types": []}
            category_id = post("category", {"create_spec": spec})
            tag_id = post("tag", {"create_spec": {"name": tag, "description": "", "category_id": category_id}})
            for vm_id in vm_ids:
                body = {"object_id": {"id": vm_id, "type": "VirtualMachine"}}
                post(f"tag-association/id:{tag_id}?~action=attach", body)

    def reregister(self, name: str) -> tuple[str, str]:
        """Take a VM out of the inventory and register it anew; return its old and its new id."""
        with self.session() as content:
            vm = find(content, vim.VirtualMachine, name)
            old, folder, pool, path = vm._moId, vm.parent, vm.resourcePool, vm.config.files.vmPathName
            if vm.runtime.powerState == "poweredOn":
                WaitForTask(vm.PowerOff())
            vm.Unregister()
            WaitForTask(folder.RegisterVM_Task(path=path, name=name, asTemplate=False, pool=pool))
            return old, find(content, vim.VirtualMachine, name)._moId

    def configure(self, name: str, **values: Any) -> None:
        """Change a VM's configuration, such as guestId or numCPUs."""
        with self.session() as content:
            task = find(content, vim.VirtualMachine, name).ReconfigVM_Task(vim.vm.ConfigSpec(**values))
            try:
                WaitForTask(task)
            except vmodl.fault.InvalidArgument:
                # The simulator does not know newer guests; it sets them all the same.
                assert "guestId" in values

    def move(self, names: list[str], folder: str) -> None:
        """Make a folder below the datacenter's VM folder, and move VMs into it."""
        with self.session() as content:
            into = find(content, vim.Datacenter, "DC0").vmFolder
            for part in folder.split("/"):
                found = [child for child in into.childEntity if isinstance(child, vim.Folder) and child.name == part]
                into = found[0] if found else into.CreateFolder(part)
            WaitForTask(into.MoveIntoFolder_Task([find(content, vim.VirtualMachine, name) for name in names]))

    def rename_folder(self, name: str, to: str) -> None:
        """Rename a folder."""
        with self.session() as content:
            WaitForTask(find(content, vim.Folder, name).Rename_Task(to))

    def rename(self, name: str, to: str) -> None:
        """Rename a VM."""
        with self.session() as content:
            WaitForTask(find(content, vim.VirtualMachine, name).Rename_Task(to))

    def attribute(self, name: str, values: dict[str, str]) -> None:
        """Set a custom attribute on VMs, VM name -> value."""
        with self.session() as content:
            field = content.customFieldsManager.AddCustomFieldDef(name, vim.VirtualMachine)
            for vm, value in values.items():
                content.customFieldsManager.SetField(find(content, vim.VirtualMachine, vm), field.key, value)

    def id(self, name: str) -> str:
        """Return the id of a VM."""
        with self.session() as content:
            return str(find(content, vim.VirtualMachine, name)._moId)


def find(content: Any, kind: type, name: str) -> Any:
    """Return the object of this kind and name."""
    view = content.viewManager.CreateContainerView(content.rootFolder, [kind], True)
    try:
        return next(item for item in view.view if item.name == name)
    finally:
        view.Destroy()


@contextmanager
def simulator(*, vms: int = 4, guests: str = "", inaccessible: bool = False) -> Iterator[Simulator]:
    """Run a vCenter with so many VMs in each of its two resource pools.

    Args:
        vms: number of VMs in a pool.
        guests: guest ids, with commas between them, given in turn.
        inaccessible: whether one VM's storage is away.
    """
    program = built()
    with tempfile.TemporaryDirectory() as directory:
        authority = trustme.CA()
        ca_file, pair = Path(directory, "ca.pem"), Path(directory, "server.pem")
        authority.cert_pem.write_to_path(str(ca_file))
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(pair))
        command = [str(program), "-vms", str(vms), "-guests", guests, "-cert", str(pair), "-uuid", str(uuid.uuid4())]
        command += ["-inaccessible"] if inaccessible else []
        log = Path(directory, "log")
        with log.open("w") as errors:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            assert process.stdout
            port = process.stdout.readline().strip()
            assert port, log.read_text()
            yield Simulator(int(port), ca_file)
        finally:
            assert process.stdin
            assert process.stdout
            process.stdin.close()
            process.kill()
            process.wait()
            process.stdout.close()


@functools.cache
def built() -> Path:
    """Build the simulator, once for each machine; skip the test with the reason where that can't be."""
    STATE.mkdir(parents=True, exist_ok=True)
    program = STATE / "vcsim"
    with FileLock(STATE / "lock"):
        if program.exists() and program.stat().st_mtime > (SOURCE / "main.go").stat().st_mtime:
            return program
        go = _go()
        environment = {
            **os.environ,
            "GOPATH": "/usr/share/gocode",
            "GO111MODULE": "off",
            "GOCACHE": str(STATE / "cache"),
            "GOFLAGS": "",
        }
        new = STATE / "vcsim.new"
        # Half the time of a build that optimizes, and has what a debugger needs.
        quick = ["-gcflags=github.com/vmware/govmomi/...=-N -l -dwarf=false", "-ldflags=-s -w"]
        command = [go, "build", *quick, "-o", str(new), "."]
        done = subprocess.run(
            command, cwd=SOURCE, env=environment, capture_output=True, text=True, timeout=BUILD_SECONDS
        )
        assert done.returncode == 0, done.stderr
        shutil.rmtree(STATE / "cache", ignore_errors=True)
        return new.replace(program)


def _go() -> str:
    found = shutil.which("go")
    if not (found and GOVMOMI.exists()):
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            pytest.skip(f"no vCenter simulator: {' and '.join(PACKAGES)} are not installed, and only root can")
        command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *PACKAGES]
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        found = shutil.which("go")
        if done.returncode or not found or not GOVMOMI.exists():
            pytest.skip(f"no vCenter simulator: {' '.join(command)} ended with {done.returncode}: {done.stderr[-300:]}")
    return found
