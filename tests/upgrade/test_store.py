"""The script that stores a version, and that no released version is missing."""

import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from testing.cdk import PROJECT

from . import fixed_app, store
from .stored_code import is_in_git
from .versions import AT_REST, UNDER_WAY, Version, newest, versions

Git = Callable[..., str]


def git(**answers: str) -> Git:
    """Return a git that gives these answers, by the name of the command."""
    return lambda command, *_: answers.get(command, "")


def test_what_is_stored_can_be_read(tmp_path: Path) -> None:
    store.store(tmp_path / "9.8.7", "9.8.7", "c" * 40)
    version = Version.of(tmp_path / "9.8.7")
    assert (version.number, version.commit) == ("9.8.7", "c" * 40)
    assert version.stacks == sorted(fixed_app.STACKS)
    assert version.golden_id == newest().golden_id
    for name in (AT_REST, UNDER_WAY):
        assert version.ledger(name).keys() >= {"Id", "Version", "Body", "Calls"}
    assert version.memory().keys() >= {"Id", "Version", "Body"}
    assert str(PROJECT) not in (tmp_path / "9.8.7" / "version.json").read_text()


@pytest.mark.parametrize(
    ("answers", "again", "said"),
    [
        ({"status": " M lambda_handler/main.py"}, False, "got changes that are not committed"),
        ({}, False, "is stored already; --again"),
        ({"tag": "v0.1.0"}, True, "is released, and what it has left in users' accounts does not change"),
    ],
)
def test_what_must_not_be_stored_is_refused(
    monkeypatch: pytest.MonkeyPatch, answers: dict[str, str], again: bool, said: str
) -> None:
    monkeypatch.setattr(store, "_git", git(**answers))
    with pytest.raises(store.NotStored, match=said):
        store._checked_commit("0.1.0", again=again)


def test_a_version_that_is_not_stored_yet_gets_the_commit_of_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_git", git(log="c" * 40))
    assert store._checked_commit("9.8.7", again=False) == "c" * 40


def test_a_failure_of_git_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(store, "PROJECT", tmp_path)
    with pytest.raises(store.NotStored, match="git status: "):
        store._git("status")


def test_each_released_version_is_stored() -> None:
    if not is_in_git("HEAD"):
        pytest.skip("git has no history here")
    tags = subprocess.run(["git", "-C", str(PROJECT), "tag", "--list"], capture_output=True, text=True)
    released = {tag[1:] for tag in tags.stdout.split() if re.fullmatch(r"v\d+\.\d+\.\d+", tag)}
    assert released <= {version.number for version in versions()}, "see docs/decisions/upgrade.md"


def test_no_stored_version_is_newer_than_this_one() -> None:
    this = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    number = [int(part) for part in newest().number.split(".")]
    assert number <= [int(part) for part in this.split(".")]
