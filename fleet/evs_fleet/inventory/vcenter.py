"""All VMs of a vCenter, by pyVmomi: one view, one property collector, pages of a thousand objects.

Owns how vSphere's objects become VMs. Changes nothing in the vCenter but its own session and view, which it ends.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from pyVim.connect import SmartStubAdapter
from pyVmomi import vim, vmodl

from evs_fleet.errors import VcenterError
from evs_fleet.inventory.connection import TIMEOUT_SECONDS, Endpoint
from evs_fleet.inventory.model import Inventory, Vm
from evs_fleet.inventory.tags import read_tags
from evs_fleet.output import Progress

#: Objects that a page of the property collector has at most.
PAGE = 1000
_POWER = {"poweredOn": "on", "poweredOff": "off", "suspended": "suspended"}
# `config` is missing while a VM's files can't be read; the summary, asked for then, has what vCenter last knew.
_CONFIG = {"instanceUuid": "instanceUuid", "guestId": "guestId", "template": "template", "hardware.numCPU": "numCpu"}
_PROPERTIES: dict[type, list[str]] = {
    vim.VirtualMachine: [
        "name",
        "parent",
        "parentVApp",
        "runtime.powerState",
        "runtime.connectionState",
        "runtime.host",
        "customValue",
        *(f"config.{name}" for name in _CONFIG),
    ],
    vim.Folder: ["name", "parent"],
    vim.Datacenter: ["name", "parent"],
    vim.VirtualApp: ["name", "parentFolder", "parentVApp"],
    vim.HostSystem: ["name", "parent"],
    vim.ClusterComputeResource: ["name"],
}

#: Managed object id -> property -> value.
_Objects = Mapping[str, Mapping[str, Any]]


def read_vcenter(endpoint: Endpoint, progress: Progress, *, tags: bool) -> tuple[Inventory, str | None]:
    """Read all VMs that the user may see.

    Args:
        endpoint: the vCenter.
        progress: is told how many objects have been read.
        tags: whether the caller can't do without tags.

    Returns:
        The inventory, and why tags could not be read where the caller can do without them.

    Raises:
        VcenterError: it can't be reached, is not trusted, or refuses.
    """
    tls = endpoint.tls()
    endpoint.try_connection(tls)
    problem = None
    with _translated(endpoint), _session(endpoint, tls) as content:
        objects, vm_ids = _objects(content, progress)
        fields = {field.key: field.name for field in getattr(content.customFieldsManager, "field", None) or []}
        host, instance_uuid = endpoint.host, content.about.instanceUuid
    tags_of: Mapping[str, tuple[str, ...]] = {}
    try:
        tags_of = read_tags(endpoint, tls)
    except VcenterError as error:
        if tags:
            raise
        problem = str(error)
    vms = [_vm(key, objects[key], objects, fields, tags_of.get(key, ())) for key in vm_ids]
    vms.sort(key=lambda vm: (vm.name.casefold(), vm.id))
    lacks = frozenset({"tag"} if problem else ())
    return Inventory(f"vCenter {endpoint.label}", tuple(vms), host, instance_uuid, lacks), problem


@contextlib.contextmanager
def _translated(endpoint: Endpoint) -> Iterator[None]:
    name = f"vCenter {endpoint.label}"
    try:
        yield
    except vim.fault.InvalidLogin as error:
        raise VcenterError(f"{name}: user {endpoint.user} or its password is wrong") from error
    except vim.fault.NoPermission as error:
        raise VcenterError(f"{name}: user {endpoint.user} lacks the privilege {error.privilegeId}") from error
    except vmodl.MethodFault as error:
        kind = type(error).__name__.rpartition(".")[2]
        raise VcenterError(
            f"{name}: refused with {kind}: {getattr(error, 'msg', None) or 'no reason given'}"
        ) from error
    except OSError as error:
        raise endpoint.failure(error) from error
    except VcenterError:
        raise
    except Exception as error:
        # What answers is no vCenter: pyVmomi raises errors of XML and of HTTP, and plain exceptions, for that.
        raise VcenterError(f"{name}: its answer is not that of a vCenter: {error}") from error


@contextlib.contextmanager
def _session(endpoint: Endpoint, tls: Any) -> Iterator[Any]:
    # pyVmomi asks for the version of the API without a limit of its own.
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)
    try:
        stub = SmartStubAdapter(
            host=endpoint.host, port=endpoint.port, sslContext=tls, httpConnectionTimeout=TIMEOUT_SECONDS
        )
        try:
            content: Any = vim.ServiceInstance("ServiceInstance", stub).RetrieveContent()
            if content.about.apiType != "VirtualCenter":
                raise VcenterError(f"{endpoint.label}: not a vCenter but {content.about.fullName}")
            content.sessionManager.Login(endpoint.user, endpoint.password, None)
            try:
                yield content
            finally:
                # A session that can't be ended ends by itself.
                with contextlib.suppress(vmodl.MethodFault, OSError):
                    content.sessionManager.Logout()
        finally:
            stub.DropConnections()
    finally:
        socket.setdefaulttimeout(before)


def _objects(content: Any, progress: Progress) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return id -> property -> value of all objects, and the ids of VMs among them."""
    collector = vmodl.query.PropertyCollector
    found: dict[str, dict[str, Any]] = {}
    vms: list[Any] = []
    view = content.viewManager.CreateContainerView(content.rootFolder, list(_PROPERTIES), recursive=True)
    try:
        traversal = collector.TraversalSpec(name="view", path="view", skip=False, type=type(view))
        start = collector.ObjectSpec(obj=view, skip=True, selectSet=[traversal])
        # The root folder is in no view, so that it is in no path either.
        for item in _items(content, [start], _PROPERTIES):
            found[_id(item.obj)] = {one.name: one.val for one in item.propSet}
            if isinstance(item.obj, vim.VirtualMachine):
                vms.append(item.obj)
                progress(len(vms))
    finally:
        view.Destroy()
    if without := [vm for vm in vms if "config.guestId" not in found[_id(vm)]]:
        names: dict[type, list[str]] = {vim.VirtualMachine: [f"summary.config.{name}" for name in _CONFIG.values()]}
        for item in _items(content, [collector.ObjectSpec(obj=vm) for vm in without], names):
            found[_id(item.obj)] |= {one.name: one.val for one in item.propSet}
    return found, [_id(vm) for vm in vms]


def _items(content: Any, objects: list[Any], properties: Mapping[type, list[str]]) -> Iterator[Any]:
    collector = vmodl.query.PropertyCollector
    kinds = [collector.PropertySpec(type=kind, pathSet=names) for kind, names in properties.items()]
    spec = collector.FilterSpec(objectSet=objects, propSet=kinds)
    page = content.propertyCollector.RetrievePropertiesEx([spec], collector.RetrieveOptions(maxObjects=PAGE))
    while page:
        yield from page.objects
        page = page.token and content.propertyCollector.ContinueRetrievePropertiesEx(page.token)


def _vm(key: str, value: Mapping[str, Any], objects: _Objects, fields: Mapping[int, str], tags: tuple[str, ...]) -> Vm:
    config = {
        name: value.get(f"config.{name}", value.get(f"summary.config.{short}")) for name, short in _CONFIG.items()
    }
    host = objects.get(_id(value.get("runtime.host")), {})
    return Vm(
        id=key,
        name=_decoded(value.get("name", key)),
        folder=_folder(value, objects),
        instance_uuid=config["instanceUuid"] or None,
        guest_id=config["guestId"] or None,
        vcpus=config["hardware.numCPU"] or None,
        power=_POWER.get(str(value.get("runtime.powerState"))),
        connection=value.get("runtime.connectionState"),
        template=bool(config["template"]),
        cluster=objects.get(_id(host.get("parent")), {}).get("name"),
        host=host.get("name"),
        tags=tags,
        attributes={fields[one.key]: one.value for one in value.get("customValue") or [] if one.key in fields},
    )


def _folder(value: Mapping[str, Any], objects: _Objects) -> str:
    """Return the inventory path of what a VM is in: folders, or a vApp in a folder."""
    names: list[str] = []
    parent = _parent(value)
    while parent in objects:
        names.append(objects[parent].get("name", parent))
        parent = _parent(objects[parent])
    return "/" + "/".join(reversed(names))


def _parent(value: Mapping[str, Any]) -> str:
    return _id(value.get("parentVApp")) or _id(value.get("parent")) or _id(value.get("parentFolder"))


def _id(reference: Any) -> str:
    return str(reference._moId) if reference is not None else ""


def _decoded(name: str) -> str:
    # vCenter gives these three as they are written in a path.
    for code, character in (("%2f", "/"), ("%2F", "/"), ("%5c", "\\"), ("%5C", "\\"), ("%25", "%")):
        name = name.replace(code, character)
    return name
