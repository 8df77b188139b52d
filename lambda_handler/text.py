"""Words for people: bounded lists of VMs, counts, failures grouped by their cause. Pure."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping

#: Most characters that the messages of all causes together may have.
CAUSES_LENGTH = 1600


def natural(vm_id: str) -> tuple[int, str]:
    """Sort key that puts vm-9 before vm-10."""
    return (len(vm_id), vm_id)


def some(items: Collection[str], most: int = 10, *, sort: bool = True) -> str:
    """Name the first `most` items and say how many more there are."""
    ordered = sorted(items, key=natural) if sort else list(items)
    shown = ", ".join(ordered[:most])
    more = len(ordered) - most
    return f"{shown} and {more:,} more" if more > 0 else shown


def count(number: int, noun: str = "VM") -> str:
    """Return ``3 VMs`` or ``1 VM``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def causes(failed: Mapping[str, str], groups: int = 8, most: int = 6) -> str:
    """Say of failed VMs what went wrong, the largest group first.

    VMs with the same cause are one group. Messages often name the VM, so many VMs may have as many causes. They are
    then grouped by the error code, and the message of the first VM stands for its group.

    Args:
        failed: VM id -> cause, in the form ``errorCode: errorMessage``.
        groups: how many causes are named.
        most: how many VMs of each cause are named.
    """
    ordered = sorted(failed, key=natural)
    grouped = _grouped(ordered, failed.__getitem__)
    if len(grouped) > groups:
        grouped = _grouped(ordered, lambda vm_id: failed[vm_id].partition(":")[0])
    ranked = sorted(grouped, key=len, reverse=True)
    room = CAUSES_LENGTH // max(min(len(ranked), groups), 1)
    parts = [f"{some(vm_ids, most)}: {clipped(failed[vm_ids[0]], min(room, 300))}" for vm_ids in ranked[:groups]]
    if len(ranked) > groups:
        rest = sum(len(vm_ids) for vm_ids in ranked[groups:])
        parts.append(f"and {count(rest)} for {count(len(ranked) - groups, 'other reason')}")
    return "; ".join(parts)


def _grouped(vm_ids: Iterable[str], key: Callable[[str], str]) -> list[list[str]]:
    groups: dict[str, list[str]] = {}
    for vm_id in vm_ids:
        groups.setdefault(key(vm_id), []).append(vm_id)
    return list(groups.values())


def clipped(text: str, length: int) -> str:
    """Shorten to at most `length` characters, and show that it was."""
    return text if len(text) <= length else text[: max(length - 3, 0)] + "..."


def json_bytes(text: str) -> int:
    """Return how many bytes a text takes within a JSON document."""
    return len(json.dumps(text)) - 2


def clipped_json(text: str, size: int) -> str:
    """Shorten until the text takes at most `size` bytes (3 or more) within a JSON document, and show that it was."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if json_bytes(clipped(text, middle)) <= size:
            low = middle
        else:
            high = middle - 1
    return clipped(text, low)


def batches(items: Iterable[str], size: int = 100) -> list[tuple[str, ...]]:
    """Split into runs of at most `size`, in natural order."""
    ordered = sorted(items, key=natural)
    return [tuple(ordered[start : start + size]) for start in range(0, len(ordered), size)]
