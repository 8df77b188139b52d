"""A VM and an inventory of them, wherever they were read from.

Owns the words in which the rest of the command speaks of VMs. Never reads anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Vm:
    """A VM as its inventory has it; what the inventory does not say is None.

    Attributes:
        id: managed object id, such as vm-57.
        name: its name.
        folder: inventory path of the folder it is in, such as /DC0/vm/Windows; of an export, as it stands there.
        instance_uuid: config.instanceUuid, which stays when the VM is registered anew.
        guest_id: config.guestId, the guest that is configured, such as windows2019srv_64Guest. EVS goes by it.
        guest_name: the same in words, where the inventory has only words.
        vcpus: number of virtual CPUs.
        power: `on`, `off` or `suspended`.
        connection: vSphere's connection state: connected, disconnected, inaccessible, invalid, orphaned.
        template: whether it is a template.
        cluster: name of its cluster.
        host: name of its ESXi host.
        tags: tags in the form category:tag.
        attributes: custom attributes, name -> value.
    """

    id: str
    name: str
    folder: str | None = None
    instance_uuid: str | None = None
    guest_id: str | None = None
    guest_name: str | None = None
    vcpus: int | None = None
    power: str | None = None
    connection: str | None = None
    template: bool = False
    cluster: str | None = None
    host: str | None = None
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Inventory:
    """VMs of one vCenter, sorted by name.

    Attributes:
        source: where they are from, in words: a host or a file.
        vms: the VMs, templates included.
        host: name of the vCenter, where it is known.
        instance_uuid: the vCenter's own instance UUID, where it is known.
        lacks: what this inventory does not say of any VM, by the keys of a policy, such as `tag`.
    """

    source: str
    vms: tuple[Vm, ...]
    host: str | None = None
    instance_uuid: str | None = None
    lacks: frozenset[str] = frozenset()
