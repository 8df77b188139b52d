"""Makes the terminal pictures of what talks to AWS from real runs: `python -m tests.fleet.aws.pictures`.

Owns the small environment that they show, on a local AWS of its own.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from local_aws import LocalAws, Settings
from local_aws.evs_api import EvsControl
from tests.fleet.aws.conftest import CONNECTOR, ENVIRONMENT, write_lock
from tests.fleet.aws.test_check import WINDOWS, locked, write_inventory
from tests.fleet.pictures import picture

NAMES = ("dc01", "dc02", "sql01", "sql02", "sql03", "web01", "web02")
#: Registered anew since the lock was made.
MOVED = {"vm-103": "vm-1103"}


@dataclass(frozen=True)
class Here:
    """What the command's environment adds."""

    environment: dict[str, str]


def main() -> None:
    """Make all pictures."""
    with tempfile.TemporaryDirectory() as directory, LocalAws(settings=Settings(create_latency=0.0)) as aws:
        at, here = Path(directory), Here(aws.environment())
        furnish(aws, at)
        picture("environments", here, at, "environments")  # type: ignore[arg-type]
        picture("list", here, at, "list")  # type: ignore[arg-type]
        picture("check", here, at, "check", "--inventory", "vms.json")  # type: ignore[arg-type]
        aws.evs.by_hand("set_connector", CONNECTOR, reachable=False)
        picture("doctor", here, at, "doctor")  # type: ignore[arg-type]


def furnish(aws: LocalAws, at: Path) -> None:
    """Entitle VMs, and let happen what happens to an environment."""
    vms = {f"vm-{number}": (number, name) for number, name in enumerate(NAMES, start=101)}
    write_lock(at / "entitlements.lock.json", *(locked(vm_id, *rest) for vm_id, rest in vms.items()))
    machines = [(MOVED.get(vm_id, vm_id), number, name, WINDOWS) for vm_id, (number, name) in vms.items()]
    write_inventory(at / "vms.json", *machines, ("vm-120", 120, "wsus01", WINDOWS))
    evs: EvsControl = aws.evs
    for vm_id, (_, name) in vms.items():
        evs.by_hand("set_vm", vm_id, name=name)
    evs.by_hand("set_vm", "vm-105", guest_os="Microsoft Windows Server 2012")
    aws.boto3_client("evs").create_entitlement(
        environmentId=ENVIRONMENT,
        connectorId=CONNECTOR,
        entitlementType="WINDOWS_SERVER",
        vmIds=[*[vm_id for vm_id in vms if vm_id != "vm-107"], "vm-110"],
    )
    time.sleep(0.2)
    evs.by_hand("set_vm", "vm-106", connection_state="disconnected")


if __name__ == "__main__":
    main()
