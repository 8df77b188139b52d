"""The command's face: start-up, options, exit status."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from evs_fleet.cli import COMMANDS
from tests.fleet.run import evs_entitlements, refused

HEAVY = {"aws_cdk", "jsii", "botocore", "boto3", "pyVmomi", "pyVim", "openpyxl", "rich", "pydantic", "urllib3"}
PROGRAM = """
import sys
from evs_fleet.cli import run

status = run(sys.argv[1:])
print(*sys.modules)
sys.exit(status)
"""


def modules_of(*arguments: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_help_imports_nothing_heavy() -> None:
    assert not modules_of("--help") & HEAVY


def test_help_lists_every_command(tmp_path: Path) -> None:
    done = evs_entitlements("--help", cwd=tmp_path)
    assert done.status == 0
    for name in COMMANDS:
        assert f"\n  {name} " in done.out


def test_starts_in_half_a_second(tmp_path: Path) -> None:
    # The best of several: the machine may be doing other things.
    best = min(timed(tmp_path) for _ in range(8))
    assert best < 0.5


def timed(cwd: Path) -> float:
    began = time.perf_counter()
    assert evs_entitlements("--help", cwd=cwd).status == 0
    return time.perf_counter() - began


def test_the_lock_is_read_without_the_cdk() -> None:
    script = "import sys; from evs_entitlements.lock import EntitlementLock; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"aws_cdk", "jsii", "constructs"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--output", "xml", "vms"], ["--output", "'xml'", "table"]),
        (["nonsense"], ["nonsense"]),
        (["--nonsense"], ["--nonsense"]),
    ],
)
def test_wrong_usage_is_one_line(tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    refused(evs_entitlements(*arguments, cwd=tmp_path), *words)


def test_without_a_command_the_help_is_shown_and_the_status_is_2(tmp_path: Path) -> None:
    done = evs_entitlements(cwd=tmp_path)
    assert done.status == 2
    assert "Commands:" in done.err


def test_version(tmp_path: Path) -> None:
    done = evs_entitlements("--version", cwd=tmp_path)
    assert done.status == 0
    assert done.out.startswith("evs-entitlements ")
