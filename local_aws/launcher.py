"""AWS on this machine as one thing that is started and stopped: ministack and the EVS API together."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from local_aws import instances
from local_aws.evs_api import EvsApi, EvsControl, Settings, World
from local_aws.function_logs import function_logs
from local_aws.iam import MinistackIam
from local_aws.inventory import Inventory
from local_aws.ministack import Ministack

ACCOUNT = "000000000000"
#: Credentials of the account's root: ministack lets them do everything.
ACCESS_KEY, SECRET_KEY = "test", "test"
_numbers = itertools.count(1)


class LocalAws:
    """AWS on this machine, started on entry and stopped on exit, whatever happens in between.

    When this process dies without a chance to stop it, it ends by itself.

    Parameters
    ----------
    inventory
        What EVS has: environments, connectors, VMs. The shipped one if None.
    settings
        How the EVS API behaves.
    auth
        Whether credentials and IAM policies are checked, by the EVS API too.
    region
        Its AWS Region.
    port, evs_port
        Ports on 127.0.0.1; 0 for free ones.
    name
        The name of its directory under ``.local/instances``; made up if None.
    variables
        Further environment variables of Lambda functions.
    """

    def __init__(
        self,
        inventory: Inventory | None = None,
        settings: Settings | None = None,
        *,
        auth: bool = True,
        region: str = "us-east-1",
        port: int = 0,
        evs_port: int = 0,
        name: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name or f"{os.getpid()}-{next(_numbers)}"
        self.directory = instances.DIRECTORY / self.name
        self.auth, self.region = auth, region
        self._inventory, self._settings = inventory, settings
        self._ports = port, evs_port
        self._variables = dict(variables or {})
        self._ministack: Ministack | None = None
        self._api: EvsApi | None = None
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()

    def start(self) -> LocalAws:
        """Start it and wait until everything answers.

        Raises
        ------
        StartError, SetupError
            ministack did not start or could not be installed.
        OSError
            The EVS API's port is taken, or another instance has this name.
        """
        instances.claim(self.directory)
        atexit.register(self.stop)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def _start(self) -> None:
        port, evs_port = self._ports
        iam = _LateIam()
        world = World(self._inventory, self._settings, region=self.region, account=ACCOUNT)
        self._api = EvsApi(world=world, port=evs_port, iam=iam if self.auth else None).start()
        variables = {"AWS_ENDPOINT_URL_EVS": self._api.url, **self._variables}
        self._ministack = Ministack(self.directory, auth=self.auth, region=self.region, port=port, variables=variables)
        self._ministack.start()
        iam.target = MinistackIam(self._ministack, self.boto3_client("iam"))
        instances.publish(self.directory, evs_url=self._api.url, environment=self.environment())

    def stop(self) -> None:
        """Stop everything and remove what it wrote, except its log; may be called again."""
        atexit.unregister(self.stop)
        if self._ministack:
            self._ministack.stop()
        if self._api:
            self._api.stop()
        self._ministack = self._api = None
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        instances.withdraw(self.directory)
        for name in ("tmp", "state", "s3"):
            shutil.rmtree(self.directory / name, ignore_errors=True)

    def __enter__(self) -> LocalAws:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def ministack(self) -> Ministack:
        """The ministack process; raises RuntimeError when it is not running."""
        if self._ministack is None:
            raise RuntimeError("the local AWS is not running")
        return self._ministack

    @property
    def api(self) -> EvsApi:
        """The EVS API's server in this process; raises RuntimeError when it is not running."""
        if self._api is None:
            raise RuntimeError("the local AWS is not running")
        return self._api

    @property
    def evs(self) -> EvsControl:
        """Controls of the EVS API."""
        return EvsControl(self.api.url)

    @property
    def log_path(self) -> Path:
        """The log of ministack itself; it stays when the instance is stopped. See `function_logs` too."""
        return self.directory / "ministack.log"

    def environment(self) -> dict[str, str]:
        """Return the environment variables that send the CDK CLI, boto3 and any SDK here."""
        port, certificate = self.ministack.port, str(self.ministack.ca_path)
        return {
            "AWS_ENDPOINT_URL": f"https://localhost:{port}",
            # By number, or SDKs would put the bucket into the host name.
            "AWS_ENDPOINT_URL_S3": f"https://127.0.0.1:{port}",
            "AWS_ENDPOINT_URL_EVS": self.api.url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "CDK_DEFAULT_ACCOUNT": ACCOUNT,
            "CDK_DEFAULT_REGION": self.region,
            "AWS_CA_BUNDLE": certificate,
            "NODE_EXTRA_CA_CERTS": certificate,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "localhost,127.0.0.1",
            "no_proxy": "localhost,127.0.0.1",
        }

    def child_environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return a whole environment for a child process: base, or this one's, turned to the local AWS."""
        base = os.environ if base is None else base
        kept = {name: value for name, value in base.items() if not name.startswith(("AWS_", "CDK_"))}
        return {**kept, **self.environment()}

    def function_logs(self) -> list[str]:
        """Return what Lambda functions wrote so far, in order; see the module `function_logs`."""
        return function_logs(self.boto3_client("logs"))

    def boto3_client(self, service: str, **options: Any) -> Any:
        """Return a boto3 client of a service here; options are those of ``boto3.client``.

        Without options it is the same one each time: making one takes longer than a call.
        """
        if options:
            return self._client(service, **options)
        with self._making:
            if service not in self._clients:
                self._clients[service] = self._client(service)
            return self._clients[service]

    def _client(self, service: str, **options: Any) -> Any:
        evs = service == "evs"
        port = self.ministack.port
        config = Config(proxies={}, s3={"addressing_style": "path"})
        if "config" in options:
            config = config.merge(options.pop("config"))
        session = boto3.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name=self.region)
        return session.client(
            service,
            endpoint_url=self.api.url if evs else f"https://127.0.0.1:{port}",
            verify=not evs and str(self.ministack.ca_path),
            config=config,
            **options,
        )


class _LateIam:
    """Stands for IAM until ministack runs: the EVS API's address is needed before that."""

    target: MinistackIam | None = None

    def caller(self, signature: Any) -> Any:
        """Return who signs; None while nobody can know."""
        return self.target.caller(signature) if self.target else None

    def decision(self, policy_source: str, action: str, resource_arn: str) -> str:
        """Return IAM's decision; a refusal while there is no IAM."""
        return self.target.decision(policy_source, action, resource_arn) if self.target else "implicitDeny"


def running(name: str | None = None) -> dict[str, Any]:
    """Return what a running instance published: ``name``, ``pid``, ``evs_url`` and ``environment``.

    Raises
    ------
    LookupError
        None of that name is running; or, without a name, none or several are.
    """
    with contextlib.suppress(KeyError):
        if name:
            return instances.running()[name]
    found = instances.running()
    if name or len(found) != 1:
        which = f"no instance {name}" if name else "no instance" if not found else "several instances"
        raise LookupError(f"{which} running{': ' + ', '.join(found) if found else ''}")
    return next(iter(found.values()))
