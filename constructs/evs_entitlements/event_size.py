"""How many VM ids fit into the event that the function gets.

Owns the limits and the error that names them. Knows nothing of constructs.
"""

from collections.abc import Collection

#: The event that CloudFormation is sure to hand to the function asynchronously, at most, in bytes: Lambda's limit for
#: long. Lambda takes 1 MB of late, but what CloudFormation hands over is not documented.
#: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
EVENT_BYTES = 256 * 1024
#: Set aside in the event for all but the VM ids: ResponseURL, ARNs, the other properties, a hand-over's
#: bookkeeping.
EVENT_RESERVE_BYTES = 8 * 1024
#: What VmIds may take. An Update carries them twice, in ResourceProperties and in OldResourceProperties.
VM_IDS_BYTES = (EVENT_BYTES - EVENT_RESERVE_BYTES) // 2


def fits(vm_ids: Collection[str]) -> bool:
    """Tell whether an event has room for these VM ids."""
    return _size(vm_ids) <= VM_IDS_BYTES


def too_many(vm_ids: Collection[str], label: str, path: str) -> ValueError:
    """Return the error that says what does not fit, and what to do about it.

    Args:
        vm_ids: all those of one set.
        label: the set in words.
        path: of the construct whose VM ids are too many.
    """
    count, size = len(vm_ids), _size(vm_ids)
    fit = count * VM_IDS_BYTES // size
    stacks = -(-count // fit)
    return ValueError(
        f"vm_ids: got {count} VM ids of {size} bytes in one stack for one environment and "
        f"connector ({label}; at {path}), expected at most {VM_IDS_BYTES} bytes, about {fit} such "
        f"ids: an update carries them twice in a Lambda event of {EVENT_BYTES // 1024} KB; split the VMs "
        f"over {stacks} or more stacks, each VM in one of them"
    )


def _size(vm_ids: Collection[str]) -> int:
    """Return how many bytes VM ids take in an event; they are plain ASCII."""
    return len("[]") + sum(map(len, vm_ids)) + len(vm_ids) * len('"",')
