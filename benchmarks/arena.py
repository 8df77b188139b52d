"""What every contender meets: the EVS API, DynamoDB and CloudFormation's bucket, all over TLS.

On AWS each connection is TLS, and a process reads a whole store of certificates before its first one. Leaving that out
would flatter whoever opens most connections, so the store that is handed to the contenders is botocore's own with the
local authorities added.
"""

from __future__ import annotations

import json
import ssl
import threading
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import trustme
import urllib3

from benchmarks import CONNECTOR, ENVIRONMENT, FIRST_VM
from local_aws.evs_api.service import Service
from local_aws.inventory import healthy_inventory
from local_aws.launcher import LocalAws

#: A host of its own for the contender that answers on port 443 whatever the URL says.
HOST_443 = "127.0.0.2"


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


DESCRIBED = (
    b'<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks>'
    b"<member><StackName>benchmark</StackName><CreationTime>2026-01-01T00:00:00Z</CreationTime>"
    b"<StackStatus>UPDATE_COMPLETE_CLEANUP_IN_PROGRESS</StackStatus></member></Stacks></DescribeStacksResult>"
    b"<ResponseMetadata><RequestId>0</RequestId></ResponseMetadata></DescribeStacksResponse>"
)


class Ledger(_Https):
    """Stands before DynamoDB and counts calls; is CloudFormation, too, of a stack whose update is being cleaned up."""

    def __init__(self, context: ssl.SSLContext, target: str, certificates: str) -> None:
        self.calls: Counter[str] = Counter()
        pool = urllib3.PoolManager(ca_certs=certificates)
        ledger = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                operation = self.headers.get("X-Amz-Target", "CloudFormation").rpartition(".")[2]
                ledger.calls[operation] += 1
                if operation == "CloudFormation":
                    self.send_response(200)
                    self.send_header("Content-Type", "text/xml")
                    self.send_header("Content-Length", str(len(DESCRIBED)))
                    self.end_headers()
                    self.wfile.write(DESCRIBED)
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


class Bucket(_Https):
    """Takes answers by PUT over HTTPS, and notes when each came."""

    def __init__(self, context: ssl.SSLContext, host: str = "127.0.0.1", port: int = 0) -> None:
        self.answers: dict[str, tuple[float, bytes]] = {}
        self._came = threading.Condition()
        bucket = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                bucket.take(self)

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(context, Handler, host, port)

    def take(self, request: BaseHTTPRequestHandler) -> None:
        """Keep an answer."""
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        with self._came:
            token = request.path.partition("?")[0].rpartition("/")[2]
            self.answers[token] = datetime.now(UTC).timestamp(), body
            self._came.notify_all()
        request.send_response(200)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def answer(self, token: str) -> tuple[float, bytes]:
        """Return when an answer came, and its bytes.

        Raises
        ------
        TimeoutError
            There is none.
        """
        with self._came:
            if not self._came.wait_for(lambda: token in self.answers, 2):
                raise TimeoutError("the handler has ended without an answer")
            return self.answers[token]


class Arena:
    """Everything around a function, in this process and a child of it; started on entry, stopped on exit.

    Parameters
    ----------
    directory
        Where certificates go.
    most
        How many VMs there are.
    """

    def __init__(self, directory: Path, most: int) -> None:
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", HOST_443).configure_cert(context)
        self._context = context
        self.aws = LocalAws(inventory=healthy_inventory(most, first=FIRST_VM), auth=False)
        self.bucket = Bucket(context)
        self._directory = directory
        self._authority = authority
        self._issued = datetime.now(UTC).replace(microsecond=0)

    def __enter__(self) -> Arena:
        self.aws.start()
        self._evs = Evs(self._context, self.aws.api.service)
        own = self.aws.environment()
        self.ledger = Ledger(self._context, own["AWS_ENDPOINT_URL"], own["AWS_CA_BUNDLE"])
        self.database = self.aws.boto3_client("dynamodb")
        self.store = self._directory / "store.pem"
        botocores = Path(find_spec("botocore").origin).parent / "cacert.pem"  # type: ignore[union-attr,arg-type]
        self.store.write_bytes(botocores.read_bytes() + b"\n" + self._authority.cert_pem.bytes())
        return self

    def __exit__(self, *_: object) -> None:
        self.database.close()
        self._evs.close()
        self.ledger.close()
        self.bucket.close()
        self.aws.stop()

    def bucket_443(self) -> Bucket:
        """Return a bucket on port 443.

        Raises
        ------
        OSError
            The port is taken, or not for this user.
        """
        return Bucket(self._context, HOST_443, 443)

    def environment(self, table: str, *, bundle: bool) -> dict[str, str]:
        """Return the environment variables of a function.

        Parameters
        ----------
        table
            The ledger's.
        bundle
            The function trusts a store of its SDK's for AWS, as boto3 and the Node SDK do on AWS, beside the system's
            for its answer. Else it takes the system's for both.
        """
        own = self.aws.environment()
        for name in ("AWS_CA_BUNDLE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
            del own[name]
        counted = f"https://localhost:{self.ledger.port}"
        return {
            **own,
            **({"AWS_CA_BUNDLE": str(self.store)} if bundle else {}),
            "AWS_ENDPOINT_URL_EVS": f"https://localhost:{self._evs.port}",
            "AWS_ENDPOINT_URL_DYNAMODB": counted,
            "AWS_ENDPOINT_URL_CLOUDFORMATION": counted,
            "SSL_CERT_FILE": str(self.store),
            "NODE_EXTRA_CA_CERTS": str(self.store),
            "AWS_LAMBDA_FUNCTION_NAME": "benchmark",
            "AWS_SESSION_TOKEN": "sessiontokensessiontoken",
            "LEDGER_TABLE_NAME": table,
        }

    def table(self) -> str:
        """Make an empty ledger table; return its name."""
        name = f"ledger-{uuid.uuid4().hex[:8]}"
        self.database.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "Id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "Id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        return name

    def reset(self, create_latency: float) -> None:
        """Begin anew, with nothing entitled."""
        world = self.aws.api.world
        vms = dict(world.vms)
        self.aws.evs.reset()
        world.vms.update(vms)
        self.aws.evs.set(create_latency=create_latency)
        self.forget()

    def forget(self) -> None:
        """Count calls from here on."""
        self.aws.evs.clear_calls()
        self.ledger.calls.clear()

    def event(self, kind: str, vm_ids: list[str], physical_id: str = "", *, at: str = "") -> dict[str, Any]:
        """Return a request as CloudFormation sends it, each issued after the one before."""
        self._issued = max(self._issued + timedelta(seconds=1), datetime.now(UTC).replace(microsecond=0))
        token = uuid.uuid4().hex
        host = at or f"localhost:{self.bucket.port}"
        event = {
            "RequestType": kind,
            "ResponseURL": f"https://{host}/bucket/{token}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=7200"
            f"&X-Amz-Date={self._issued:%Y%m%dT%H%M%SZ}&X-Amz-Signature={token}",
            "StackId": "arn:aws:cloudformation:us-east-1:000000000000:stack/benchmark/00000000",
            "RequestId": str(uuid.uuid4()),
            "ResourceType": "Custom::EvsWindowsServerEntitlements",
            "LogicalResourceId": "Windows",
            "ResourceProperties": {
                "ServiceToken": "arn:aws:lambda:us-east-1:000000000000:function:benchmark",
                "EnvironmentId": ENVIRONMENT,
                "ConnectorId": CONNECTOR,
                "VmIds": vm_ids,
                "AdoptExisting": "false",
            },
        }
        if physical_id:
            event["PhysicalResourceId"] = physical_id
        return event

    def calls(self) -> Counter[str]:
        """Count the calls to EVS, the ledger and CloudFormation since then, by operation."""
        return Counter(call["operation"] for call in self.aws.evs.calls()) + self.ledger.calls


def token_of(event: dict[str, Any]) -> str:
    """Return what a bucket knows a request by."""
    return str(event["ResponseURL"]).partition("?")[0].rpartition("/")[2]


def size_of(event: dict[str, Any]) -> int:
    """Return the bytes of an event."""
    return len(json.dumps(event).encode())
