"""Takes answers as the S3 bucket behind ResponseURL does: over HTTPS, by PUT."""

import json
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme

from testing.events import response_url


@dataclass
class Received:
    """One PUT."""

    path: str
    body: bytes
    headers: dict[str, str]
    status: int

    @property
    def answer(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.body)
        return answer


@dataclass
class Receiver:
    """An HTTPS server on a free port; `statuses` are given to the next PUTs, then 200. 0 breaks the connection."""

    directory: Path
    statuses: list[int] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)

    def __post_init__(self) -> None:
        authority = trustme.CA()
        self.ca_path = self.directory / "receiver-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_path))
        self._changed = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                receiver.take(self, body)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def take(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        with self._changed:
            status = self.statuses.pop(0) if self.statuses else 200
            self.received.append(Received(handler.path, body, dict(handler.headers.items()), status))
            self._changed.notify_all()
        if status == 0:
            handler.connection.close()
            return
        handler.send_response(status)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def url(self, token: str, issued: str | None) -> str:
        """Return a ResponseURL in the form that CloudFormation gives: signed, with the date of issue or without."""
        return response_url(f"localhost:{self.port}", token, issued)

    def answers(self, token: str) -> list[Received]:
        """Return the PUTs for a token that were taken."""
        with self._changed:
            return [put for put in self.received if f"/{token}?" in put.path and 200 <= put.status < 300]

    def wait(self, token: str, timeout: float) -> Received:
        """Wait for the first answer."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.answers(token), timeout):
                raise TimeoutError(f"no answer within {timeout} s")
        return self.answers(token)[0]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
