"""The command, run in this process against the local AWS, in a folder of its own."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from evs_fleet.cli import run as run_command
from local_aws import LocalAws
from local_aws.evs_api import EvsControl
from tests.fleet.aws.cloudtrail import CloudTrail

ENVIRONMENT, CONNECTOR = "env-abcde12345", "cnctr-abcde12345"
#: The shipped inventory has it, with one connector.
OTHER_ENVIRONMENT, OTHER_CONNECTOR = "env-zyxwv98765", "cnctr-zyxwv98765"


@dataclass(frozen=True)
class Ran:
    """What a run of the command ended with."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def csv(self) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.out)))

    @property
    def error(self) -> str:
        """The one line on stderr that an error is."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("error: ")
        assert "Traceback" not in self.err
        return lines[0].removeprefix("error: ")


Run = Callable[..., Ran]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def evs(aws: LocalAws, here: Path, monkeypatch: pytest.MonkeyPatch) -> EvsControl:
    """The EVS API, begun anew, and an environment that leads to it."""
    use(aws, here, monkeypatch)
    aws.evs.reset()
    aws.evs.set(create_latency=0.0)
    return aws.evs


def use(aws: LocalAws, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn this process's environment to a local AWS, and away from whatever the user has."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "VCENTER_USER", "VCENTER_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(here / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(here / "no-credentials"))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command as a shell would."""

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        status = run_command(list(arguments))
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return run


@pytest.fixture
def cloudtrail(evs: EvsControl, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudTrail]:
    trail = CloudTrail().start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDTRAIL", trail.url)
    yield trail
    trail.stop()


def write_lock(
    path: Path, *vms: str | dict[str, Any], environment: str = ENVIRONMENT, connector: str = CONNECTOR
) -> Path:
    """Write a lock of these VMs: ids, or whole entries."""
    entries = [{"id": vm, "name": f"name-of-{vm}"} if isinstance(vm, str) else vm for vm in vms]
    lock = {"version": 1, "environment_id": environment, "connector_id": connector, "vcenter": None, "vms": entries}
    path.write_text(json.dumps(lock))
    return path
