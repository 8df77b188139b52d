"""The EVS API: pages, batches of 100. The only module that calls it.

Rules from the EVS API reference (CreateEntitlement, DeleteEntitlement, ListVmEntitlements) and the EVS user guide:
1 to 100 VM ids a call, pages of at most 100 rows, no filter by VM, creation is asynchronous.
"""

from collections.abc import Iterable
from typing import Any

from ..aws.calls import call
from ..aws.clients import Clients
from ..clock import Clock
from ..values import Connector
from .rows import Row, Rows, merged, rows_of

#: Most VM ids that one call takes, and most rows that one page holds.
BATCH = 100


class TooLate(Exception):
    """The time in which the ledger was told the call would leave is over; nothing was sent."""


class Evs:
    """The EVS API.

    Args:
        clients: makes the client at the first call.
    """

    def __init__(self, clients: Clients, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock
        self._made: Any = None
        self._send_by = 0.0

    @property
    def _client(self) -> Any:
        if self._made is None:
            self._made = self._clients.make("evs")
            # Just before the bytes leave, after signing: a process that was held up must not send any more.
            for operation in ("CreateEntitlement", "DeleteEntitlement"):
                self._made.meta.events.register(f"before-send.evs.{operation}", self._in_time)
        return self._made

    def _in_time(self, **_: Any) -> None:
        if self._clock.now() > self._send_by:
            raise TooLate

    def page(self, connector: Connector, token: str | None = None) -> tuple[list[Row], str | None]:
        """Return one page of rows, and the token of the next or None.

        Raises:
            AwsError
        """
        rows, following = self.raw_page(connector, token)
        return list(rows_of({"entitlements": rows})), following

    def raw_page(self, connector: Connector, token: str | None = None) -> tuple[list[dict[str, Any]], str | None]:
        """Return one page of rows as the API has them, names and errors with them; else as `page`."""
        more = {"nextToken": token} if token else {}
        answer = call(
            self._client.list_vm_entitlements,
            "evs:ListVmEntitlements",
            environmentId=connector.environment_id,
            connectorId=connector.connector_id,
            entitlementType="WINDOWS_SERVER",
            maxResults=BATCH,
            **more,
        )
        return list(answer.get("entitlements") or ()), answer.get("nextToken") or None

    def connectors(self, environment_id: str) -> tuple[list[dict[str, Any]], bool]:
        """Return the connectors of an environment as the API has them, and whether these are all.

        Raises:
            AwsError
            AttributeError: botocore's model of EVS does not have the operation.
        """
        answer = call(
            self._client.list_environment_connectors, "evs:ListEnvironmentConnectors", environmentId=environment_id
        )
        return list(answer.get("connectors") or ()), not answer.get("nextToken")

    def create(self, connector: Connector, vm_ids: Iterable[str], send_by: float) -> Rows:
        """Call CreateEntitlement, which must leave before `send_by` (epoch seconds).

        Raises:
            AwsError, TooLate
        """
        return self._change("CreateEntitlement", self._client.create_entitlement, connector, vm_ids, send_by)

    def delete(self, connector: Connector, vm_ids: Iterable[str], send_by: float) -> Rows:
        """Call DeleteEntitlement; else as `create`."""
        return self._change("DeleteEntitlement", self._client.delete_entitlement, connector, vm_ids, send_by)

    def _change(self, operation: str, method: Any, connector: Connector, vm_ids: Iterable[str], send_by: float) -> Rows:
        self._send_by = send_by
        answer = call(
            method,
            f"evs:{operation}",
            environmentId=connector.environment_id,
            connectorId=connector.connector_id,
            entitlementType="WINDOWS_SERVER",
            vmIds=list(vm_ids),
        )
        return merged(rows_of(answer))
