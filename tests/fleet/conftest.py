"""Fixtures of the command's tests: a vCenter for each test, and one of 2,000 VMs for those that only read it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.vcenter import Simulator, simulator

GUESTS = "windows2019srv_64Guest,windows9Server64Guest,rhel8_64Guest"
ENVIRONMENT, CONNECTOR = "env-abcde12345", "cnctr-abcde12345"


@pytest.fixture
def vcenter() -> Iterator[Simulator]:
    """Eight VMs: DC0_H0_VM0 to 3 on a host of its own, DC0_C0_RP0_VM0 to 3 in a cluster; all Windows Server 2019."""
    with simulator(vms=4, guests="windows2019srv_64Guest") as running:
        yield running


@pytest.fixture(scope="session")
def large_vcenter() -> Iterator[Simulator]:
    """2,000 VMs, each third one a Linux."""
    with simulator(vms=1000, guests=GUESTS) as running:
        yield running


@pytest.fixture
def write_policy(tmp_path: Path, vcenter: Simulator) -> "WritePolicy":
    """Write entitlements.toml for the test's vCenter, of the tables that are given."""
    return WritePolicy(tmp_path, vcenter)


class WritePolicy:
    """Writes policies into one directory."""

    def __init__(self, directory: Path, vcenter: Simulator) -> None:
        self._path, self._vcenter = directory / "entitlements.toml", vcenter

    def __call__(self, tables: str) -> Path:
        head = f'environment = "{ENVIRONMENT}"\nconnector = "{CONNECTOR}"\n'
        place = f'[vcenter]\nhost = "127.0.0.1"\nport = {self._vcenter.port}\nca_file = "{self._vcenter.ca_file}"\n'
        self._path.write_text(head + place + tables)
        return self._path
