"""The servers that contenders meet, over TLS: the EVS API, DynamoDB and CloudFormation.

Owns that connections are kept, and that calls are counted. Knows nothing of contenders.
"""

from __future__ import annotations

import ssl
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import urllib3

from local_aws.evs_api.service import Service


class _Https:
    """A server on a free port; connections are kept, as AWS keeps them."""

    def __init__(self, context: ssl.SSLContext, handler: type[BaseHTTPRequestHandler], host: str, port: int) -> None:
        ThreadingHTTPServer.daemon_threads = True
        handler.protocol_version = "HTTP/1.1"
        # One write an answer: else the second waits for an acknowledgement that is delayed.
        handler.wbufsize = -1
        self._server = ThreadingHTTPServer((host, port), handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


class Evs(_Https):
    """The local EVS API, over TLS."""

    def __init__(self, context: ssl.SSLContext, service: Service) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = service.handle(dict(self.headers.items()), body)
                self.send_response(answer.status or 200)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(answer.body)))
                if answer.error:
                    self.send_header("x-amzn-ErrorType", answer.error)
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(context, Handler, "127.0.0.1", 0)


#: What CloudFormation says of the one resource of the stack. An Update is being cleaned up: it has the new id.
NAMED = (
    '<DescribeStackResourceResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/">'
    "<DescribeStackResourceResult><StackResourceDetail><LogicalResourceId>Windows</LogicalResourceId>"
    "<PhysicalResourceId>{physical_id}</PhysicalResourceId><ResourceStatus>UPDATE_COMPLETE</ResourceStatus>"
    "</StackResourceDetail></DescribeStackResourceResult>"
    "<ResponseMetadata><RequestId>0</RequestId></ResponseMetadata></DescribeStackResourceResponse>"
)


class Ledger(_Https):
    """Stands before DynamoDB and counts calls; is CloudFormation, too, of a stack whose update is being cleaned up.

    Attributes:
        physical_id: what CloudFormation names as the resource's id.
    """

    def __init__(self, context: ssl.SSLContext, target: str, certificates: str) -> None:
        self.calls: Counter[str] = Counter()
        self.physical_id = ""
        pool = urllib3.PoolManager(ca_certs=certificates)
        ledger = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                operation = self.headers.get("X-Amz-Target", "CloudFormation").rpartition(".")[2]
                ledger.calls[operation] += 1
                if operation == "CloudFormation":
                    named = NAMED.format(physical_id=ledger.physical_id).encode()
                    self.send_response(200)
                    self.send_header("Content-Type", "text/xml")
                    self.send_header("Content-Length", str(len(named)))
                    self.end_headers()
                    self.wfile.write(named)
                    return
                headers = {name: value for name, value in self.headers.items() if name not in ("Host", "Connection")}
                answer = pool.request("POST", target, body=body, headers=headers)
                self.send_response(answer.status)
                for name in ("Content-Type", "x-amz-crc32"):
                    if name in answer.headers:
                        self.send_header(name, answer.headers[name])
                self.send_header("Content-Length", str(len(answer.data)))
                self.end_headers()
                self.wfile.write(answer.data)

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(context, Handler, "127.0.0.1", 0)
