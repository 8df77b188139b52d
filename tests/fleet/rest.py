"""An HTTPS server that answers as a vCenter's REST API does, from a table, and keeps what it was asked."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme

USER, PASSWORD, SESSION = "reader@vsphere.local", "geheim€", "b00db39c4f85"
#: Method and path -> answer; a path without a match is a 404, as of a vCenter.
Answers = dict[str, Any]


class _Quiet(ThreadingHTTPServer):
    """Says nothing of a client that goes away, which Python 3.14 tells on stderr: a test looks at what is there."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over it."""


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
        self._server = _Quiet(("127.0.0.1", 0), self._handler())
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        return int(self._server.server_port)

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
