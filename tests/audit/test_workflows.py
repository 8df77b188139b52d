"""The workflows: actions pinned by commit, the least permissions, and nothing run that a stranger wrote."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((PROJECT / ".github").rglob("*.y*ml"))
#: `uses:` of an action by the whole hash of a commit, with the version for people.
PINNED = re.compile(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40} # v[0-9]+\.[0-9]+\.[0-9]+$")


def unpinned(text: str) -> list[str]:
    """Return what a workflow uses and does not pin."""
    used = re.findall(r"^\s*-?\s*uses:\s*(.+?)\s*$", text, re.MULTILINE)
    return [each for each in used if not PINNED.match(each)]


def jobs(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())["jobs"]
    return found


def test_there_are_workflows() -> None:
    assert {path.name for path in WORKFLOWS} == {"ci.yml", "nightly.yml", "release.yml"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
class TestWorkflow:
    def test_every_action_is_pinned_by_its_commit(self, path: Path) -> None:
        assert unpinned(path.read_text()) == []

    def test_an_action_of_one_version_has_one_commit(self, path: Path) -> None:
        used = set(re.findall(r"uses: (\S+)@(\S+) # (\S+)", "\n".join(each.read_text() for each in WORKFLOWS)))
        assert used
        assert len({(name, version) for name, _, version in used}) == len(used)

    def test_permissions_are_given_job_by_job_and_are_the_least(self, path: Path) -> None:
        assert yaml.safe_load(path.read_text())["permissions"] == {}
        for name, job in jobs(path).items():
            permissions = dict(job["permissions"])
            if permissions.pop("id-token", None):
                assert (path.name, name, job["environment"]) == ("release.yml", "publish", "release")
            assert permissions == {"contents": "read"}

    def test_every_job_has_a_limit_and_a_machine_of_a_version(self, path: Path) -> None:
        for job in jobs(path).values():
            assert job["timeout-minutes"] <= 60
            assert re.fullmatch(r"ubuntu-[0-9.]+", job["runs-on"])

    def test_no_text_of_a_stranger_becomes_a_command(self, path: Path) -> None:
        assert "pull_request_target" not in path.read_text()
        for job in jobs(path).values():
            for step in job["steps"]:
                assert "${{" not in step.get("run", "")
                if "checkout@" in step.get("uses", ""):
                    assert step["with"]["persist-credentials"] is False

    def test_what_is_run_of_make_and_the_tests_is_there(self, path: Path) -> None:
        targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
        commands = "\n".join(step.get("run", "") for job in jobs(path).values() for step in job["steps"])
        assert set(re.findall(r"\bmake ([a-z-]+)", commands)) <= targets
        for name in re.findall(r"\b(?:tests/\S+|\S+\.txt)", commands):
            assert (PROJECT / name).exists(), name


@pytest.mark.parametrize(
    "used",
    [
        "actions/checkout@v7",
        "actions/checkout@v7.0.1 # v7.0.1",
        "actions/checkout@3d3c42e5aac5",
        "./local",
        "docker://alpine:3",
        "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1",
    ],
)
def test_an_action_that_is_not_pinned_is_found(used: str) -> None:
    assert unpinned(f"    steps:\n      - uses: {used}\n") == [used]
