"""What a custom resource's properties declare."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .rows import Where

Properties = Mapping[str, Any]


@dataclass(frozen=True)
class Declared:
    """What one PhysicalResourceId declares."""

    where: Where
    vm_ids: frozenset[str]
    adopts: bool

    @classmethod
    def by(cls, properties: Properties) -> "Declared":
        """Read properties, however wrong they are."""
        where = (str(properties.get("EnvironmentId")), str(properties.get("ConnectorId")))
        vm_ids = properties.get("VmIds")
        vm_ids = frozenset(vm_ids) if isinstance(vm_ids, (list, tuple)) else frozenset()
        return cls(where, vm_ids, str(properties.get("AdoptExisting")).lower() == "true")
