"""Which VMs a policy chooses from an inventory, and why it leaves the others.

Pure: no file, no network. Owns the order of the rules: a VM is chosen if all keys of one include match, no
exclude does, and EVS would not refuse it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evs_fleet.errors import PolicyError
from evs_fleet.globs import matches, matches_folder
from evs_fleet.guests import refusal

if TYPE_CHECKING:
    from evs_fleet.inventory.model import Inventory, Vm
    from evs_fleet.policy import Policy


@dataclass(frozen=True)
class Selection:
    """What a policy says of the VMs of an inventory, each list in the inventory's order.

    Attributes:
        chosen: VMs to be entitled.
        refused: VMs that an include names and EVS would refuse, with why.
        excluded: VMs that an include names and an exclude, too, with its reason.
        unnamed: VMs that EVS would entitle and that neither an include nor an exclude names.
        unmatched: includes and excludes that match no VM at all, each with its place.
    """

    chosen: tuple[Vm, ...]
    refused: tuple[tuple[Vm, str], ...]
    excluded: tuple[tuple[Vm, str], ...]
    unnamed: tuple[Vm, ...]
    unmatched: tuple[str, ...]


def select(policy: Policy, inventory: Inventory) -> Selection:
    """Apply a policy to an inventory.

    Raises:
        PolicyError: the policy asks for what this inventory does not say of any VM, such as tags of an export.
    """
    _check_answerable(policy, inventory)
    includes = [(policy.place("include", index), one.given) for index, one in enumerate(policy.include)]
    excludes = [(policy.place("exclude", index), one.given) for index, one in enumerate(policy.exclude)]
    used: set[str] = set()
    chosen, refused, excluded, unnamed = [], [], [], []
    for vm in inventory.vms:
        included = _matching(includes, vm)
        out = _matching(excludes, vm)
        used.update(included, out)
        why = refusal(vm)
        if not included:
            if not out and why is None:
                unnamed.append(vm)
        elif out:
            places = [place for place, _ in excludes]
            excluded.append((vm, policy.exclude[places.index(out[0])].reason))
        elif why:
            refused.append((vm, why))
        else:
            chosen.append(vm)
    unmatched = [
        f"{place}: matches no VM of {inventory.source}" for place, _ in includes + excludes if place not in used
    ]
    return Selection(tuple(chosen), tuple(refused), tuple(excluded), tuple(unnamed), tuple(unmatched))


def filter_vms(filters: Mapping[str, Any], vms: Iterable[Vm]) -> list[Vm]:
    """Return the VMs that match all of these filters; keys and values are those of an include."""
    return [vm for vm in vms if _all_match(filters, vm)]


def _matching(tables: Sequence[tuple[str, Mapping[str, Any]]], vm: Vm) -> list[str]:
    return [place for place, filters in tables if _all_match(filters, vm)]


def _all_match(filters: Mapping[str, Any], vm: Vm) -> bool:
    return all(_MATCHERS[key](value, vm) for key, value in filters.items())


def _optional(glob: str, value: str | None) -> bool:
    return value is not None and matches(glob, value)


def _attributes(globs: Mapping[str, str], vm: Vm) -> bool:
    values = {name.casefold(): value for name, value in vm.attributes.items()}
    return all(_optional(glob, values.get(name.casefold())) for name, glob in globs.items())


_MATCHERS: dict[str, Callable[[Any, Vm], bool]] = {
    "folder": lambda glob, vm: vm.folder is not None and matches_folder(glob, vm.folder),
    "name": lambda glob, vm: matches(glob, vm.name),
    "tag": lambda glob, vm: any(matches(glob, tag) for tag in vm.tags),
    "cluster": lambda glob, vm: _optional(glob, vm.cluster),
    "guest": lambda glob, vm: _optional(glob, vm.guest_id) or _optional(glob, vm.guest_name),
    "attribute": _attributes,
    "uuid": lambda glob, vm: _optional(glob, vm.instance_uuid),
    "id": lambda glob, vm: matches(glob, vm.id),
}


def _check_answerable(policy: Policy, inventory: Inventory) -> None:
    for kind, tables in (("include", policy.include), ("exclude", policy.exclude)):
        for index, table in enumerate(tables):
            if unknown := sorted(inventory.lacks & set(table.given)):
                raise PolicyError(
                    f"{policy.place(kind, index)}: asks for a {unknown[0]}, and {inventory.source} has none: "
                    "it would match nothing"
                )
