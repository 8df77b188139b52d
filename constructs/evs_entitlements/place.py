"""Where entitlements live: an EVS environment and a connector of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """An environment and a connector; both may be tokens."""

    environment_id: str
    connector_id: str

    @property
    def dimensions(self) -> dict[str, str]:
        """As CloudWatch has them."""
        return {"EnvironmentId": self.environment_id, "ConnectorId": self.connector_id}
