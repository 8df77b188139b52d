"""Stands between the function and DynamoDB, and has faults on demand."""

import json
import socket
import threading
from typing import Any

import botocore.httpsession
from botocore.awsrequest import AWSRequest
from flask import Flask, Response, request
from werkzeug.serving import make_server

THROTTLED = "ProvisionedThroughputExceededException"


class Database:
    """Forwards to the local AWS; the faults apply to calls of one operation, in order."""

    def __init__(self, target: str, ca: str) -> None:
        self._target = target
        self._rules: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self.failed = 0
        self._session = botocore.httpsession.URLLib3Session(verify=ca)
        app = Flask(__name__)
        app.post("/")(self._forward)
        self._server = make_server("127.0.0.1", 0, app, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def fail(self, operation: str, error: str, *, count: int | None, after: int = 0) -> None:
        with self._lock:
            self._rules.append({"operation": operation, "error": error, "count": count, "after": after})

    def heal(self) -> None:
        with self._lock:
            self._rules.clear()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._session.close()

    def _fault(self, operation: str) -> str | None:
        with self._lock:
            for rule in self._rules:
                if rule["operation"] != operation:
                    continue
                if rule["after"]:
                    rule["after"] -= 1
                    continue
                if rule["count"] is None or rule["count"] > 0:
                    rule["count"] = None if rule["count"] is None else rule["count"] - 1
                    self.failed += 1
                    return str(rule["error"])
        return None

    def _forward(self) -> Response:
        operation = request.headers["X-Amz-Target"].rpartition(".")[2]
        fault = self._fault(operation)
        if fault == "empty":
            return Response("{}", content_type="application/x-amz-json-1.0")
        if fault and fault != "close_after":
            status = 400 if fault in (THROTTLED, "AccessDeniedException") else 500
            body = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{fault}", "message": "in trouble"})
            return Response(body, status=status, content_type="application/x-amz-json-1.0")
        headers = {name: value for name, value in request.headers.items() if name not in ("Host", "Connection")}
        forwarded = AWSRequest("POST", self._target, headers, request.get_data()).prepare()
        answer = self._session.send(forwarded)
        if fault:
            request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return Response(answer.content, status=answer.status_code, content_type="application/x-amz-json-1.0")
