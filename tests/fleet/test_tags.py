"""Tags by the newer form of vCenter's REST API, which the simulator does not have, against a server that has it."""

from __future__ import annotations

import base64
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from evs_fleet.errors import VcenterError
from evs_fleet.inventory.connection import Endpoint
from evs_fleet.inventory.tags import BATCH, read_tags

USER, PASSWORD, SESSION = "reader@vsphere.local", "geheim€", "b00db39c4f85"
#: Method and path -> answer; a path without a match is a 404, as of a vCenter.
Answers = dict[str, Any]


class Server:
    """Answers as a vCenter's REST API, and keeps what it was asked."""

    def __init__(self, directory: Path) -> None:
        authority = trustme.CA()
        self.ca_file = directory / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(tls)
        self.answers: Answers = {}
        self.asked: list[str] = []
        self.failures: list[int] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def read(self) -> dict[str, tuple[str, ...]]:
        endpoint = Endpoint("127.0.0.1", self._server.server_port, USER, PASSWORD, self.ca_file)
        return dict(read_tags(endpoint, endpoint.tls()))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, answer = server.answer(self.command, self.path, self.headers, body)
                content = json.dumps(answer).encode() if not isinstance(answer, bytes) else answer
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = do  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, Any]:
        self.asked.append(f"{method} {path}")
        if self.failures:
            return self.failures.pop(0), {"error_type": "X"}
        found = self.answers.get(f"{method} {path}")
        if found is None:
            return 404, {"error_type": "NOT_FOUND"}
        if path == "/api/session" and method == "POST":
            expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            return (201, found) if headers["Authorization"] == f"Basic {expected}" else (401, {})
        if headers["vmware-api-session-id"] != SESSION:
            return 401, {}
        return 200, found(json.loads(body)) if callable(found) else found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path)
    running.answers = tagging({"urn:t1": "aws", "urn:t2": "own"}, attached)
    yield running
    running.close()


def tagging(tags: dict[str, str], attach: Callable[[Any], Any]) -> Answers:
    root = "/api/cis/tagging"
    answers: Answers = {
        "POST /api/session": SESSION,
        "DELETE /api/session": {},
        f"GET {root}/category": ["urn:c1"],
        f"GET {root}/category/urn:c1": {"id": "urn:c1", "name": "licence"},
        f"GET {root}/tag": list(tags),
        f"POST {root}/tag-association?action=list-attached-objects-on-tags": attach,
    }
    for key, name in tags.items():
        answers[f"GET {root}/tag/{key}"] = {"id": key, "name": name, "category_id": "urn:c1"}
    return answers


def attached(body: Any) -> Any:
    vms = {"urn:t1": ["vm-1", "vm-2"], "urn:t2": ["vm-2"]}
    return [
        {
            "tag_id": key,
            "object_ids": [{"id": vm, "type": "VirtualMachine"} for vm in vms[key]]
            + [{"id": "h", "type": "HostSystem"}],
        }
        for key in body["tag_ids"]
    ]


def test_tags_of_vms_alone(server: Server) -> None:
    assert server.read() == {"vm-1": ("licence:aws",), "vm-2": ("licence:aws", "licence:own")}


def test_the_session_is_ended(server: Server) -> None:
    server.read()
    assert server.asked[0] == "POST /api/session"
    assert server.asked[-1] == "DELETE /api/session"


def test_many_tags_are_asked_for_in_batches(server: Server) -> None:
    tags = {f"urn:t{n}": f"tag{n}" for n in range(2 * BATCH + 1)}
    sizes: list[int] = []

    def attach(body: Any) -> Any:
        sizes.append(len(body["tag_ids"]))
        return [{"tag_id": key, "object_ids": [{"id": "vm-1", "type": "VirtualMachine"}]} for key in body["tag_ids"]]

    server.answers = tagging(tags, attach)
    assert len(server.read()["vm-1"]) == 2 * BATCH + 1
    assert sizes == [BATCH, BATCH, 1]


def test_a_vcenter_that_is_busy_is_asked_again(server: Server) -> None:
    server.failures = [503]
    assert server.read()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"GET /api/cis/tagging/tag": b"<html>"}, "no JSON"),
        ({"GET /api/cis/tagging/tag/urn:t1": ["urn"]}, "an answer of another form"),
        ({"GET /api/cis/tagging/tag/urn:t2": None}, "HTTP status 404"),
        ({"POST /api/session": "another"}, "HTTP status 401"),
    ],
)
def test_what_goes_wrong_is_one_line(server: Server, change: Answers, words: str) -> None:
    server.answers |= change
    with pytest.raises(VcenterError, match=rf"vCenter 127\.0\.0\.1:\d+: its tags can't be read: .*{re.escape(words)}"):
        server.read()
