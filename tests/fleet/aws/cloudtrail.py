"""LookupEvents in CloudTrail's own JSON form, over HTTP, from events that a test gives."""

import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TARGET = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents"
#: Events in one page; the service's own most is 50.
PAGE = 2


def event(
    at: datetime, name: str, vm_ids: list[str] | None, *, error: str | None = None, source: str = "evs.amazonaws.com"
) -> dict[str, Any]:
    """An event as LookupEvents gives it; with no VM ids its parameters are left out, as of one that is too large."""
    parameters = None
    if vm_ids is not None:
        parameters = {"environmentId": "env-abcde12345", "connectorId": "cnctr-abcde12345", "vmIds": vm_ids}
    role = {"type": "Role", "arn": "arn:aws:iam::111122223333:role/Licences-Role", "userName": "Licences-Role"}
    detail = {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "arn": "arn:aws:sts::111122223333:assumed-role/Licences-Role/fn",
            "sessionContext": {"sessionIssuer": role},
        },
        "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": source,
        "eventName": name,
        "awsRegion": "us-east-1",
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "Boto3/1.44.5",
        "requestParameters": parameters,
        **({"errorCode": error, "errorMessage": "Rate exceeded"} if error else {}),
    }
    return {
        "EventId": f"{name}-{at.timestamp():.0f}",
        "EventName": name,
        "EventSource": source,
        "EventTime": at.timestamp(),
        "Username": "fn",
        "ReadOnly": "false",
        "CloudTrailEvent": json.dumps(detail),
    }


@dataclass
class CloudTrail:
    """A server of LookupEvents; the events may be changed at any time."""

    events: list[dict[str, Any]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    refusal: tuple[str, str] | None = None

    def start(self) -> "CloudTrail":
        trail = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                trail.requests.append(body)
                assert self.headers["X-Amz-Target"].endswith(".LookupEvents")
                status, answer = trail.answer(body)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if self.refusal:
            code, message = self.refusal
            return 400, {"__type": code, "message": message}
        (wanted,) = body["LookupAttributes"]
        assert wanted["AttributeKey"] == "EventName"
        found = [
            item
            for item in sorted(self.events, key=lambda item: -item["EventTime"])
            if item["EventName"] == wanted["AttributeValue"] and _within(item, body)
        ]
        start = int(body.get("NextToken", 0))
        more = {"NextToken": str(start + PAGE)} if len(found) > start + PAGE else {}
        return 200, {"Events": found[start : start + PAGE], **more}


def _within(item: dict[str, Any], body: dict[str, Any]) -> bool:
    times = (_seconds(body.get("StartTime", 0)), _seconds(body.get("EndTime", 1e12)))
    return bool(times[0] <= item["EventTime"] <= times[1])


def _seconds(value: Any) -> float:
    return datetime.fromisoformat(value).astimezone(UTC).timestamp() if isinstance(value, str) else float(value)
