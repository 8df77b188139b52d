"""Words for people: bounded lists of VMs, counts, failures grouped by their cause."""

from collections.abc import Collection, Iterable, Mapping


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
    """``3 VMs``, ``1 VM``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def causes(failed: Mapping[str, str], groups: int = 8, most: int = 6) -> str:
    """Group failed VMs by what went wrong, the largest group first.

    Parameters
    ----------
    failed
        VM id -> cause, in the form ``errorCode: errorMessage``. Messages name the VM, so the code makes the group,
        and the message of its first VM stands for all.
    groups, most
        How many causes, and how many VMs of each, are named.
    """
    by_code: dict[str, list[str]] = {}
    for vm_id in sorted(failed, key=natural):
        by_code.setdefault(failed[vm_id].partition(":")[0], []).append(vm_id)
    ranked = sorted(by_code.values(), key=len, reverse=True)
    parts = [f"{some(vm_ids, most)}: {clipped(failed[vm_ids[0]], 300)}" for vm_ids in ranked[:groups]]
    if len(ranked) > groups:
        rest = sum(len(vm_ids) for vm_ids in ranked[groups:])
        parts.append(f"and {count(rest)} for {count(len(ranked) - groups, 'other reason')}")
    return "; ".join(parts)


def clipped(text: str, length: int) -> str:
    """Shorten to at most `length` characters, and show that it was."""
    return text if len(text) <= length else text[: max(length - 3, 0)] + "..."


def batches(items: Iterable[str], size: int = 100) -> list[tuple[str, ...]]:
    """Split into runs of at most `size`, in natural order."""
    ordered = sorted(items, key=natural)
    return [tuple(ordered[start : start + size]) for start in range(0, len(ordered), size)]
