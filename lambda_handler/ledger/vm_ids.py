"""VM ids as text: sorted, as differences. Pure. Part of the ledger's stored form."""

import operator
from collections.abc import Iterator
from functools import lru_cache

from ..values import VmIds

_DIGITS = operator.itemgetter(slice(len("vm-"), None))


@lru_cache(maxsize=256)
def packed_ids(vm_ids: VmIds) -> str:
    """Write ids as ``first,difference,difference,...``. Ids with leading zeros stand at the end as they are."""
    odd = sorted(vm_id for vm_id in vm_ids if vm_id.startswith("vm-0"))
    numbers = sorted(map(int, map(_DIGITS, vm_ids.difference(odd))))
    # Sets are large: this is done without a line of Python for each VM.
    differences = map(operator.sub, numbers, [0, *numbers])
    return ",".join((*map(str, differences), *odd))


@lru_cache(maxsize=256)
def unpacked_ids(text: str) -> VmIds:
    """Read what `packed_ids` wrote."""
    return frozenset(_ids(text))


def _ids(text: str) -> Iterator[str]:
    number = 0
    for part in text.split(",") if text else ():
        if part.startswith("vm-"):
            yield part
        else:
            number += int(part)
            yield f"vm-{number}"
