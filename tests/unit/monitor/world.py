"""The monitor's world: one ledger, EVS, EventBridge and the monitor's own table, each of which can be in trouble."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from lambda_handler.ledger.packing import packed_body, packed_call
from lambda_handler.ledger.records import DeclaredSet
from lambda_handler.ledger.state import State
from lambda_handler.monitor.run import run
from lambda_handler.values import Connector
from tests.simulation.dynamodb import Table
from tests.simulation.errors import Refusal, client_error

STACK = "arn:aws:cloudformation:us-east-1:000000000000:stack/web/1"
HERE = Connector("env-abcde12345", "cnctr-abcde12345")
THERE = Connector("env-abcde12345", "cnctr-fghij67890")
START = 1_764_000_000.0


def row(vm_id: str, status: str = "CREATED", **more: Any) -> dict[str, Any]:
    """Return a row as EVS lists it."""
    return {"vmId": vm_id, "vmName": f"name-of-{vm_id}", "status": status, **more}


class MonitorWorld:
    """What the monitor's function sees and does."""

    def __init__(self) -> None:
        self.at = START
        self.ledger, self.memory = Table(), Table()
        self.state = State()
        self.rows: dict[Connector, list[dict[str, Any]]] = {HERE: [], THERE: []}
        self.connectors = [self.connector(HERE.connector_id), self.connector(THERE.connector_id)]
        self.sent: list[dict[str, Any]] = []
        #: operation -> called before each such call; raises what the service answers.
        self.trouble: dict[str, Callable[[], None]] = {}
        self.called: list[str] = []
        self.page_rows = 100
        self.lines: list[dict[str, Any]] = []

    @staticmethod
    def connector(connector_id: str, result: str = "PASSED", since: datetime | None = None) -> dict[str, Any]:
        check = {"type": "VCENTER_REACHABILITY", "result": result, **({"impairedSince": since} if since else {})}
        return {
            "connectorId": connector_id,
            "type": "VCENTER",
            "state": "ACTIVE",
            "applianceFqdn": "vc01.example.com",
            "checks": [check],
        }

    def declare(self, *vm_ids: str, place: Connector = HERE, live: bool = True, name: str = "set") -> None:
        """Let the ledger have a set."""
        declared = DeclaredSet(name, place, frozenset(vm_ids), "request", 1, live=live)
        self.keep(self.state.declare(f"{place}/{name}", declared))

    def keep(self, state: State) -> None:
        """Let the ledger be so."""
        self.state = state
        item = {
            "Id": {"S": STACK},
            "Version": {"N": "7"},
            "Claims": {"N": "0"},
            "Body": {"B": packed_body(state)},
            "Calls": {"M": {name: {"S": packed_call(call)} for name, call in state.calls.items()}},
        }
        self.ledger.restore({STACK: item})

    def unreachable(self, since: float) -> None:
        """Let the connector lose vCenter, and all that it holds with it."""
        self.connectors[0] = self.connector(HERE.connector_id, "FAILED", datetime.fromtimestamp(since, UTC))
        self.rows[HERE] = [{**one, "status": "AT_RISK"} for one in self.rows[HERE]]

    def healed(self) -> None:
        """Let it reach vCenter again."""
        self.connectors[0] = self.connector(HERE.connector_id)
        self.rows[HERE] = [{**one, "status": "CREATED"} for one in self.rows[HERE]]

    def run(self, *, after: float = 300.0) -> list[dict[str, Any]]:
        """Let the schedule run the monitor once; return its lines of metrics. Raises what it raises."""
        self.at += after
        out = io.StringIO()
        context = SimpleNamespace(
            aws_request_id="run",
            invoked_function_arn="",
            log_stream_name="",
            get_remaining_time_in_millis=lambda end=self.at + 240: int((end - self.at) * 1000),
        )
        try:
            run(context, self, out=out)
        finally:
            self.lines = [json.loads(line) for line in out.getvalue().splitlines()]
        return self.lines

    # --- the platform --------------------------------------------------------------------------------------------

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds

    def put(self, url: str, body: bytes, timeout: float = 10.0) -> int:
        raise AssertionError("the monitor answers nobody")

    def client(self, service: str, connect_timeout: float, read_timeout: float) -> Any:
        assert service in ("dynamodb", "evs", "events")
        return SimpleNamespace(
            meta=SimpleNamespace(events=SimpleNamespace(register=lambda *_: None)),
            get_item=self._dynamodb("GetItem"),
            put_item=self._dynamodb("PutItem"),
            update_item=self._dynamodb("UpdateItem"),
            list_vm_entitlements=self._page,
            list_environment_connectors=self._listed,
            put_events=self._put_events,
        )

    def _enter(self, operation: str) -> None:
        self.called.append(operation)
        self.trouble.get(operation, lambda: None)()

    def _dynamodb(self, operation: str) -> Callable[..., Any]:
        def call(**parameters: Any) -> Any:
            self._enter(f"{operation} {parameters['TableName']}")
            table = {"ledger": self.ledger, "memory": self.memory}[parameters["TableName"]]
            try:
                return table.call(operation, parameters)
            except Refusal as refusal:
                raise refusal.of(operation) from None

        return call

    def _page(self, **parameters: Any) -> Any:
        self._enter("ListVmEntitlements")
        rows = self.rows[Connector(parameters["environmentId"], parameters["connectorId"])]
        begin = int(parameters.get("nextToken", 0))
        more = {"nextToken": str(begin + self.page_rows)} if begin + self.page_rows < len(rows) else {}
        return {"entitlements": rows[begin : begin + self.page_rows], **more}

    def _listed(self, **parameters: Any) -> Any:
        self._enter("ListEnvironmentConnectors")
        return {"connectors": self.connectors}

    def _put_events(self, **parameters: Any) -> Any:
        self._enter("PutEvents")
        (entry,) = parameters["Entries"]
        assert len(json.dumps(entry)) < 256 * 1024
        self.sent.append({**entry, "Detail": json.loads(entry["Detail"])})
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}


def refuses(code: str, status: int = 400) -> Callable[[], None]:
    """Return trouble: a service that answers with an error each time."""

    def answer() -> None:
        raise client_error("Operation", code, "said the service", status)

    return answer
