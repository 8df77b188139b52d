"""Starts and stops one ministack process: its directory, certificate, environment, port and end.

Everything that a ministack writes is in its own directory, so that several can run side by side.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import trustme

from local_aws import ministack_venv
from local_aws.ministack_main import CALLER_PATH

#: How long a start may take, in seconds.
START_SECONDS = 60.0
#: How often a start is tried: another program may take a port between its choice and its use.
ATTEMPTS = 5
_MAIN = Path(__file__).with_name("ministack_main.py")


class StartError(RuntimeError):
    """ministack did not start; the message has the end of its log."""


class Ministack:
    """One ministack process.

    Parameters
    ----------
    directory
        For all that it writes; made if need be.
    auth
        Whether it checks credentials and IAM policies.
    region
        Its region.
    port
        On 127.0.0.1; 0 for a free one.
    variables
        Further environment variables of the process. Its Lambda functions see them too.
    """

    def __init__(
        self,
        directory: Path,
        *,
        auth: bool,
        region: str,
        port: int = 0,
        variables: dict[str, str] | None = None,
    ) -> None:
        self.directory, self.auth, self.region = directory, auth, region
        self.port = port
        self.log_path = directory / "ministack.log"
        self.ca_path = directory / "ca.pem"
        self._wanted_port = port
        self._variables = variables or {}
        self._secret = secrets.token_hex(16)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The endpoint of all services."""
        return f"https://localhost:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process, which leads a process group of its own, or None."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it and wait until it answers; raises StartError or SetupError."""
        python = ministack_venv.python()
        (self.directory / "tmp").mkdir(parents=True, exist_ok=True)
        self._write_certificate()
        for attempt in range(1, ATTEMPTS + 1):
            self.port = self._wanted_port or _free_port()
            self._spawn(python)
            try:
                if self._answers():
                    return
            except BaseException:
                self.stop()
                raise
            self.stop()
            if self._wanted_port or attempt == ATTEMPTS:
                raise StartError(f"ministack did not start on port {self.port}:\n{self._log_end()}")

    def stop(self) -> None:
        """Stop it and everything that it started; state is not kept, so there is nothing to wait for."""
        process, self._process = self._process, None
        if process is None:
            return
        members = _family(process.pid)
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
        _signal_group(process.pid, signal.SIGKILL)
        for member in members:
            try:
                member.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(members, timeout=1)
        process.wait(5)
        if process.stdin:
            process.stdin.close()

    def ask_caller(self, access_key: str, session_token: str | None) -> dict[str, Any]:
        """Return ``arn`` and ``type`` of whom an access key belongs to, each None if it is unknown."""
        found: dict[str, Any] = self._get(f"{CALLER_PATH}{self._secret}/{access_key}/{session_token or ''}")
        return found

    def _write_certificate(self) -> None:
        # ministack would need the openssl program for this, and the system's list of authorities.
        authority = trustme.CA(organization_name="local AWS")
        authority.cert_pem.write_to_path(self.ca_path)
        server = authority.issue_cert("localhost", "127.0.0.1")
        server.private_key_pem.write_to_path(self.directory / "server.key")
        for number, pem in enumerate(server.cert_chain_pems):
            pem.write_to_path(self.directory / "server.crt", append=number > 0)
        (self.directory / "server.key").chmod(0o600)

    def _environment(self) -> dict[str, str]:
        """Return the process's environment: nothing of the caller's but the search path.

        The caller's AWS settings, proxies and certificates would reach the Lambda functions.
        """
        trusted = ("SSL_CERT_FILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
        return {
            **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
            **dict.fromkeys(trusted, str(self.ca_path)),
            # Or functions would find the user's ~/.aws.
            "HOME": str(self.directory / "tmp"),
            "TMPDIR": str(self.directory / "tmp"),
            "STATE_DIR": str(self.directory / "state"),
            "S3_DATA_DIR": str(self.directory / "s3"),
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "localhost",
            "MINISTACK_REGION": self.region,
            "USE_SSL": "1",
            "MINISTACK_SSL_CERT": str(self.directory / "server.crt"),
            "MINISTACK_SSL_KEY": str(self.directory / "server.key"),
            "AUTH": "true" if self.auth else "false",
            # By number, so that S3 addresses in functions are path-style.
            "AWS_ENDPOINT_URL": f"https://127.0.0.1:{self.port}",
            "NO_PROXY": "localhost,127.0.0.1",
            # No broker, no SFTP server, nobody's Docker: nothing here uses them.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": f"unix://{self.directory}/no-docker.sock",
            "LOCAL_AWS_SECRET": self._secret,
            "PYTHONUNBUFFERED": "1",
            **self._variables,
        }

    def _spawn(self, python: Path) -> None:
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  its own environment's Python, no shell
                [python, "-P", str(_MAIN)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=self._environment(),
                start_new_session=True,
            )

    def _answers(self) -> bool:
        """Wait until it answers; return False if it ends instead, as it does when the port is taken."""
        deadline = time.monotonic() + START_SECONDS
        while self._process and self._process.poll() is None and time.monotonic() < deadline:
            # Its own certificate proves that it is this one that answers, and not a neighbour.
            with contextlib.suppress(OSError, ValueError):
                self._get("/_ministack/ready", timeout=2.0)
                return True
            time.sleep(0.05)
        return False

    def _get(self, path: str, timeout: float = 10.0) -> Any:
        context = ssl.create_default_context(cafile=str(self.ca_path))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(self.url + path, timeout=timeout) as response:
            return json.load(response)

    def _log_end(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")[-2000:]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _family(pid: int) -> list[psutil.Process]:
    try:
        members: list[psutil.Process] = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return members


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return
