"""What Amazon EVS says: environments, connectors, entitlements. Only the operations that read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evs_health.connectors import Connector

if TYPE_CHECKING:
    from evs_fleet.aws.session import Session

#: The only type that the API has.
ENTITLEMENT_TYPE = "WINDOWS_SERVER"


def environments(session: Session) -> list[dict[str, Any]]:
    """Return the environments of account and region in the API's form (EnvironmentSummary), by id.

    Raises:
        AwsError: EVS can't be asked.
    """
    found = session.items("evs", "list_environments", "environmentSummaries")
    return sorted(found, key=lambda item: str(item.get("environmentId")))


def connectors(session: Session, environment_id: str) -> list[Connector]:
    """Return the connectors of an environment, by type and id.

    Raises:
        NotFound: there is no such environment.
        AwsError: EVS can't be asked.
    """
    rows = session.items("evs", "list_environment_connectors", "connectors", environmentId=environment_id)
    return sorted(map(Connector.from_row, rows), key=lambda item: (item.type, item.connector_id))


def entitlements(session: Session, environment_id: str, connector_id: str) -> list[dict[str, Any]]:
    """Return all rows of ListVmEntitlements at a connector, in the API's form and order.

    Raises:
        NotFound: there is no such environment or connector.
        AwsError: EVS can't be asked.
    """
    rows = session.items(
        "evs",
        "list_vm_entitlements",
        "entitlements",
        environmentId=environment_id,
        connectorId=connector_id,
        entitlementType=ENTITLEMENT_TYPE,
    )
    return list(rows)
