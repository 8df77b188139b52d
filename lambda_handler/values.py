"""The values that every room of the function shares: where entitlements live, and sets of VM ids. Pure."""

from dataclasses import dataclass

#: VM ids, each once.
VmIds = frozenset[str]
NO_VMS: VmIds = frozenset()


@dataclass(frozen=True, order=True)
class Connector:
    """Where entitlements live: a connector of an EVS environment."""

    environment_id: str
    connector_id: str

    def __str__(self) -> str:
        return f"{self.environment_id}/{self.connector_id}"

    @classmethod
    def parse(cls, text: str) -> "Connector":
        """Read what `str` wrote."""
        environment_id, _, connector_id = text.partition("/")
        return cls(environment_id, connector_id)
