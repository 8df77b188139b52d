"""The PUT of the answer, on a real socket: by way of a proxy, past it, and what its errors never say."""

import os
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from lambda_handler.aws import clients
from lambda_handler.platform import LambdaPlatform

QUERY = "?X-Amz-Date=20261126T101500Z&X-Amz-Signature=0123456789abcdef0123456789abcdef"


class Storage(BaseHTTPRequestHandler):
    """Stands for S3: takes what is PUT."""

    taken: list[tuple[str, dict[str, str], bytes]]
    status = 200

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.taken.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Be quiet."""


class Proxy(BaseHTTPRequestHandler):
    """Tunnels whatever is asked for to one port of this machine, and notes what was asked for."""

    asked: list[str]
    port: int
    refuses = False

    def do_CONNECT(self) -> None:
        self.asked.append(self.path)
        if self.refuses:
            self.send_error(403)
            return
        with socket.create_connection(("127.0.0.1", self.port)) as upstream:
            self.send_response(200)
            self.end_headers()
            pair = [self.connection, upstream]
            while True:
                for ready in select.select(pair, [], [], 10)[0]:
                    data = ready.recv(65_536)
                    if not data:
                        return
                    pair[1 - pair.index(ready)].sendall(data)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


def served(handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None = None) -> Iterator[HTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPServer]:
    """HTTPS with a certificate for localhost and for S3's name, which the system's store trusts."""
    for name in (
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "NO_PROXY",
        "no_proxy",
        "AWS_CA_BUNDLE",
        "REQUESTS_CA_BUNDLE",
    ):
        monkeypatch.delenv(name, raising=False)
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    clients._trust.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "answers.s3.amazonaws.com").configure_cert(context)
    Storage.taken, Storage.status = [], 200
    yield from served(Storage, context)
    clients._trust.cache_clear()


@pytest.fixture
def proxy(storage: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPServer]:
    Proxy.asked, Proxy.port, Proxy.refuses = [], storage.server_port, False
    for server in served(Proxy):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.server_port}")
        yield server


def test_the_answer_goes_through_the_proxy(proxy: HTTPServer) -> None:
    """The host need not even resolve: in such a VPC the proxy is the only way out."""
    url = f"https://answers.s3.amazonaws.com/arn%3Aaws%3Astack%7CWindows%7Cid{QUERY}"
    assert LambdaPlatform().put(url, b'{"Status": "SUCCESS"}', 10.0) == 200
    assert Proxy.asked == ["answers.s3.amazonaws.com:443"]
    [(path, headers, body)] = Storage.taken
    assert path == f"/arn%3Aaws%3Astack%7CWindows%7Cid{QUERY}"
    assert body == b'{"Status": "SUCCESS"}'
    assert headers.get("content-type", "") == ""
    assert headers["content-length"] == str(len(body))
    assert "authorization" not in headers


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize("value", ["localhost", "*", "s3.amazonaws.com,localhost"])
def test_no_proxy_leads_past_it(
    storage: HTTPServer, proxy: HTTPServer, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert LambdaPlatform().put(f"https://localhost:{storage.server_port}/{QUERY}", b"{}", 10.0) == 200
    assert (Proxy.asked, len(Storage.taken)) == ([], 1)


def test_no_proxy_for_other_hosts_changes_nothing(proxy: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "dynamodb.us-east-1.amazonaws.com,.internal")
    assert LambdaPlatform().put(f"https://answers.s3.amazonaws.com/{QUERY}", b"{}", 10.0) == 200
    assert Proxy.asked == ["answers.s3.amazonaws.com:443"]


@pytest.mark.parametrize("status", [200, 403, 503])
def test_the_status_is_returned_without_following_or_trying_again(storage: HTTPServer, status: int) -> None:
    Storage.status = status
    assert LambdaPlatform().put(f"https://localhost:{storage.server_port}/{QUERY}", b"{}", 10.0) == status
    assert len(Storage.taken) == 1


@pytest.mark.parametrize("trouble", ["proxy refuses", "proxy is away", "host is away", "certificate"])
def test_an_error_is_an_oserror_that_does_not_hold_the_address(
    storage: HTTPServer, proxy: HTTPServer, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    url = f"https://answers.s3.amazonaws.com/{QUERY}"
    if trouble == "proxy refuses":
        Proxy.refuses = True
    elif trouble == "proxy is away":
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    elif trouble == "host is away":
        monkeypatch.setenv("NO_PROXY", "*")
        url = f"https://127.0.0.1:1/{QUERY}"
    else:
        monkeypatch.setenv("NO_PROXY", "*")
        # Reached by another name than the certificate has.
        url = f"https://127.0.0.1:{storage.server_port}/{QUERY}"
    with pytest.raises(OSError) as caught:
        LambdaPlatform().put(url, b"{}", 10.0)
    told = f"{caught.value} {caught.value.args} {caught.value.__cause__}"
    assert "Signature" not in told
    assert "0123456789abcdef" not in told
    assert Storage.taken == []


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
@pytest.mark.parametrize("holds", ["the proxy's", "another", "none"])
def test_the_answer_trusts_what_the_calls_trust(
    storage: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, holds: str
) -> None:
    """A proxy that reads along has a certificate of its own. A bundle of something else leaves the system's store."""
    bundle, other = Path(os.environ["SSL_CERT_FILE"]), tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    named = {"the proxy's": bundle, "another": other, "none": tmp_path / "missing.pem"}[holds]
    monkeypatch.setenv(variable, str(named))
    if holds == "the proxy's":
        monkeypatch.setenv("SSL_CERT_FILE", str(other))
    assert LambdaPlatform().put(f"https://localhost:{storage.server_port}/{QUERY}", b"{}", 10.0) == 200


@pytest.mark.parametrize("url", ["", "not a url", "https://", "ftp://localhost/x?X-Amz-Signature=1"])
def test_an_address_that_is_none_is_an_oserror_too(storage: HTTPServer, url: str) -> None:
    with pytest.raises(OSError):
        LambdaPlatform().put(url, b"{}", 10.0)
