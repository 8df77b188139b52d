"""What every contender meets: the EVS API, DynamoDB and CloudFormation's bucket, all over TLS.

On AWS each connection is TLS, and a process reads a whole store of certificates before its first one. Leaving that out
would flatter whoever opens most connections, so the store that is handed to the contenders is botocore's own with the
local authorities added.
"""

from __future__ import annotations

import json
import ssl
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import trustme

from benchmarks import CONNECTOR, ENVIRONMENT, FIRST_VM
from benchmarks.servers import Evs, Ledger
from local_aws.inventory import healthy_inventory
from local_aws.launcher import LocalAws
from testing.events import request_event, response_url
from testing.receiver import Receiver

#: A host of its own for the contender that answers on port 443 whatever the URL says.
HOST_443 = "127.0.0.2"


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
        self.bucket = Receiver(context)
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

    def bucket_443(self) -> Receiver:
        """Return a bucket on port 443.

        Raises
        ------
        OSError
            The port is taken, or not for this user.
        """
        return Receiver(self._context, host=HOST_443, port=443)

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
        return request_event(
            kind,
            response_url(host, token, f"{self._issued:%Y%m%dT%H%M%SZ}"),
            "arn:aws:cloudformation:us-east-1:000000000000:stack/benchmark/00000000",
            {"EnvironmentId": ENVIRONMENT, "ConnectorId": CONNECTOR, "VmIds": vm_ids},
            physical_id=physical_id or None,
            function="benchmark",
        )

    def calls(self) -> Counter[str]:
        """Count the calls to EVS, the ledger and CloudFormation since then, by operation."""
        return Counter(call["operation"] for call in self.aws.evs.calls()) + self.ledger.calls


def size_of(event: dict[str, Any]) -> int:
    """Return the bytes of an event."""
    return len(json.dumps(event).encode())
