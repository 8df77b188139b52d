"""Plays CloudFormation around the real asset: what no machine outside of AWS can have.

Owns stacks and their requests. Requests are real events with ResponseURLs of the real form; answers arrive over HTTPS;
the function invokes itself, and asks CloudFormation about its stack, over HTTP.
"""

import json
import logging
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Flask, Response, request
from werkzeug.serving import make_server

from local_aws.evs_api import EvsControl
from testing.events import request_event, token_of
from testing.receiver import Received, Receiver
from tests.support.describe import describe, error
from tests.support.function import At, Invocation, Lambda

ENVIRONMENT, CONNECTOR = "env-abcde12345", "cnctr-abcde12345"
OTHER_CONNECTOR = "cnctr-fghij67890"


@dataclass
class Delivery:
    """A request, and how it went."""

    event: dict[str, Any]
    stack: "Stack"
    invocation: Invocation

    @property
    def token(self) -> str:
        return token_of(self.event)

    @property
    def puts(self) -> list[Received]:
        return self.stack.receiver.answers(self.token)

    def answer(self, timeout: float = 60) -> dict[str, Any]:
        """Wait for the answer, and for the process to end."""
        try:
            received = self.stack.receiver.wait(self.token, timeout)
        except TimeoutError:
            raise TimeoutError(self.stack.log.read_text()[-6000:]) from None
        self.invocation.wait()
        assert len(received.body) <= 4096
        return received.answer

    def unanswered(self) -> None:
        """Wait for the process to end, and see that nothing was answered."""
        self.invocation.wait()
        assert not self.puts, self.puts


@dataclass
class Stack:
    """A stack: its ledger table, its resources as CloudFormation knows them, and its requests."""

    function: Lambda
    receiver: Receiver
    directory: Path
    timeout: float = 900
    status: str = "CREATE_IN_PROGRESS"
    parent_id: str = ""
    named: dict[str, str] = field(default_factory=dict)
    #: Status, when, and the ids of the resource that it is of: the stack itself where there are none.
    events: list[tuple[Any, ...]] = field(default_factory=list)
    continuations: list[Invocation] = field(default_factory=list)
    invocations: list[Invocation] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    patch: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.name = f"stack-{uuid.uuid4().hex[:8]}"
        self.id = f"arn:aws:cloudformation:us-east-1:000000000000:stack/{self.name}/{uuid.uuid4()}"
        self.table = f"{self.name}-ledger"
        self.log = self.directory / f"{self.name}.log"
        self.log.touch()
        self.asked: list[str] = []
        self.denied: set[str] = set()
        #: Status and body that CloudFormation gives in place of its next answers.
        self.broken: list[tuple[int, str]] = []
        self._issued = datetime.now(UTC).replace(microsecond=0)
        self.database = self.function.aws.boto3_client("dynamodb")
        self.database.create_table(
            TableName=self.table,
            KeySchema=[{"AttributeName": "Id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "Id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        logging.getLogger("werkzeug").setLevel("ERROR")
        self._server = make_server("127.0.0.1", 0, self._app(), threaded=True)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.settle(kill=True)
        self._server.shutdown()
        self._server.server_close()
        self.database.close()

    def settle(self, since: int = 0, *, kill: bool = False) -> None:
        """Wait until no invocation, of those from the given number on, runs any more."""
        while running := [invocation for invocation in self.invocations[since:] if invocation.exit_code is None]:
            for invocation in running:
                if kill:
                    invocation.kill()
                invocation.wait()

    @property
    def evs(self) -> EvsControl:
        return self.function.aws.evs

    # --- what the function calls ------------------------------------------------------------------------------------

    def _app(self) -> Flask:
        app = Flask(__name__)

        @app.post("/2015-03-31/functions/<path:_name>/invocations")
        def invoke(_name: str) -> Response:
            assert request.headers["X-Amz-Invocation-Type"] == "Event"
            assert len(request.get_data()) <= 262_144
            if "InvokeFunction" in self.denied:
                refusal = {"Message": "not authorized to perform: lambda:InvokeFunction"}
                return Response(json.dumps(refusal), 403, {"x-amzn-ErrorType": "AccessDeniedException"})
            self.continuations.append(self._start(json.loads(request.get_data()), self.timeout))
            return Response(status=202)

        @app.post("/")
        def ask() -> Response:
            action = request.form["Action"]
            self.asked.append(action)
            if self.broken:
                status, body = self.broken.pop(0)
                return Response(body, status=status)
            if action in self.denied:
                return error(403, "AccessDenied", f"not authorized to perform: cloudformation:{action}")
            return describe(self, action)

        return app

    def reached(self, status: str) -> None:
        """Let the stack reach a status, with its event."""
        self.status = status
        self.events.append((status, datetime.now(UTC)))

    def names(self, logical_id: str, physical_id: str) -> None:
        """Let CloudFormation take on a PhysicalResourceId, with its event."""
        self.named[logical_id] = physical_id
        self.events.append(("CREATE_COMPLETE", datetime.now(UTC), logical_id, physical_id))

    def deleted(self, logical_id: str, physical_id: str) -> None:
        """Let CloudFormation note that a Delete succeeded."""
        self.events.append(("DELETE_COMPLETE", datetime.now(UTC), logical_id, physical_id))

    # --- requests ---------------------------------------------------------------------------------------------------

    def event(
        self,
        request_type: str,
        vm_ids: Any = (),
        *,
        logical_id: str = "Windows",
        physical_id: str | None = None,
        issued: str | None = "",
        environment: str = ENVIRONMENT,
        connector: str = CONNECTOR,
        service_timeout: int | None = None,
        **properties: Any,
    ) -> dict[str, Any]:
        """Make a request in the form of CloudFormation's; each one is issued a second after the one before."""
        if issued == "":
            now = datetime.now(UTC).replace(microsecond=0)
            self._issued = max(self._issued + timedelta(seconds=1), now)
            issued = self._issued.strftime("%Y%m%dT%H%M%SZ")
        token = uuid.uuid4().hex
        given = {"EnvironmentId": environment, "ConnectorId": connector, "VmIds": vm_ids, **properties}
        if service_timeout is not None:
            given = {"ServiceTimeout": str(service_timeout), **given}
        url = self.receiver.url(token, issued)
        return request_event(request_type, url, self.id, given, logical_id=logical_id, physical_id=physical_id)

    def deliver(
        self, event: dict[str, Any], *, timeout: float | None = None, at: At | None = None, **env: str
    ) -> Delivery:
        """Invoke the function with an event; does not wait. Those that go on with it have the same timeout."""
        self.timeout = timeout or self.timeout
        return Delivery(event, self, self._start(event, self.timeout, at, **env))

    def _start(self, event: dict[str, Any], timeout: float, at: At | None = None, **env: str) -> Invocation:
        own = f"http://127.0.0.1:{self.port}"
        aws = self.function.aws.environment()
        environment = {
            **aws,
            "AWS_ENDPOINT_URL_LAMBDA": own,
            "AWS_ENDPOINT_URL_CLOUDFORMATION": own,
            "AWS_ENDPOINT_URL_DYNAMODB": aws["AWS_ENDPOINT_URL"],
            "LEDGER_TABLE_NAME": self.table,
            "SSL_CERT_FILE": str(self.receiver.ca_path),
            "AWS_LAMBDA_FUNCTION_NAME": "evs-entitlements",
            "AWS_SESSION_TOKEN": "sessiontokensessiontoken",
            **self.env,
            **env,
        }
        invocation = self.function.start(event, environment, timeout, self.log, at, self.patch)
        self.invocations.append(invocation)
        return invocation

    def begun(self, event: dict[str, Any], seconds: float = 80) -> dict[str, Any]:
        """Make an event one that goes on with a request begun so long ago: AccessDenied is ridden out no more."""
        return {**event, "Continuation": {"Began": time.time() - seconds, "AnswerBy": time.time() + 600}}

    def create(self, vm_ids: Any, **given: Any) -> dict[str, Any]:
        """Deliver a Create and wait for its answer."""
        return self._play(self.event("Create", vm_ids, **given))

    def update(self, physical_id: str, vm_ids: Any, **given: Any) -> dict[str, Any]:
        """Deliver an Update and wait for its answer."""
        return self._play(self.event("Update", vm_ids, physical_id=physical_id, **given))

    def delete(self, physical_id: str, vm_ids: Any = ("vm-101",), **given: Any) -> dict[str, Any]:
        """Deliver a Delete and wait for its answer."""
        return self._play(self.event("Delete", vm_ids, physical_id=physical_id, **given))

    def _play(self, event: dict[str, Any]) -> dict[str, Any]:
        answer = self.deliver(event).answer()
        if answer["Status"] == "SUCCESS" and event["RequestType"] != "Delete":
            self.names(event["LogicalResourceId"], answer["PhysicalResourceId"])
        elif answer["Status"] == "SUCCESS":
            self.deleted(event["LogicalResourceId"], event["PhysicalResourceId"])
        return answer

    def wait_for(self, text: str, timeout: float = 20) -> None:
        """Wait until the log has a text."""
        ends = time.time() + timeout
        while text not in self.log.read_text():
            if time.time() > ends:
                raise TimeoutError(f"{text!r} not in the log:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.02)
