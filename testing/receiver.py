"""Takes answers as the S3 bucket behind ResponseURL does: over HTTPS, by PUT. Keeps them, and when each came.

Connections are kept, as S3 keeps them. Knows nothing of what an answer says.
"""

import json
import ssl
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme

from testing.events import response_url


@dataclass(frozen=True)
class Received:
    """One PUT.

    Attributes:
        status: what it was answered with; 0 where its connection was broken.
        at: when it came, in epoch seconds.
    """

    path: str
    body: bytes
    headers: dict[str, str]
    status: int
    at: float

    @property
    def answer(self) -> dict[str, Any]:
        """The answer to CloudFormation."""
        answer: dict[str, Any] = json.loads(self.body)
        return answer


def own_authority(directory: Path) -> tuple[ssl.SSLContext, Path]:
    """Make an authority of one's own; return what a server at localhost shows, and the file by which it is trusted."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    ca_path = directory / "receiver-ca.pem"
    authority.cert_pem.write_to_path(str(ca_path))
    return context, ca_path


class Receiver:
    """An HTTPS server.

    Args:
        context: with the certificate that it shows.
        host: the address that it listens at.
        port: 0 for a free one.
        ca_path: the file by which its certificate is trusted, for those who have to be told.

    Attributes:
        statuses: are given to the next PUTs, then 200. 0 breaks the connection.
        received: every PUT, in the order in which they came.
    """

    def __init__(
        self, context: ssl.SSLContext, *, host: str = "127.0.0.1", port: int = 0, ca_path: Path | None = None
    ) -> None:
        self.ca_path = ca_path
        self.statuses: list[int] = []
        self.received: list[Received] = []
        self._changed = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # One write an answer: else the second waits for an acknowledgement that is delayed.
            wbufsize = -1

            def do_PUT(self) -> None:
                receiver.take(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass

        self._server = Server((host, port), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def take(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        """Keep a PUT, and answer it."""
        with self._changed:
            status = self.statuses.pop(0) if self.statuses else 200
            put = Received(handler.path, body, dict(handler.headers.items()), status, time.time())
            self.received.append(put)
            self._changed.notify_all()
        if status == 0:
            handler.close_connection = True
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
        """Wait for the first answer, so many seconds.

        Raises:
            TimeoutError: there is none.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self.answers(token), timeout):
                raise TimeoutError(f"no answer within {timeout} s")
        return self.answers(token)[0]

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
