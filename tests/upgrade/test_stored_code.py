"""The code of a version is that of its commit; where git lacks that, it says what stands in for it."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from evs_entitlements.lambda_code import staged_files

from . import stored_code as rebuilding
from .stored_code import StoredCode, digest, is_in_git, stored_code
from .versions import newest


def test_the_code_of_a_version_is_rebuilt_as_it_was(code: StoredCode) -> None:
    assert digest(code.folder) == code.version.code
    assert code.source == f"commit {code.version.commit[:12]}"


def test_the_working_tree_stands_in_where_git_lacks_the_commit() -> None:
    found = stored_code(dataclasses.replace(newest(), commit="0" * 40))
    assert not found.is_genuine
    assert found.source == "the working tree: git does not have commit 000000000000"
    staged = {path.relative_to(found.folder).as_posix() for path in found.folder.rglob("*.py")}
    assert staged == {name for name in staged_files() if name.endswith(".py")}


def test_without_git_no_commit_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert not is_in_git("HEAD")


def test_a_commit_whose_code_cannot_be_staged_is_no_working_tree(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: StoredCode
) -> None:
    """What is there and can't be rebuilt is an error: another code would be tried in its place, unseen."""
    monkeypatch.setattr(rebuilding, "_KEPT", tmp_path)
    monkeypatch.setattr(rebuilding, "SHIPPED", ("lambda_handler", "no/such/folder"))
    with pytest.raises(RuntimeError, match=r"git .*no/such/folder"):
        stored_code(dataclasses.replace(code.version))
    assert not list(tmp_path.rglob("done"))


def test_the_digest_tells_names_and_contents_apart(tmp_path: Path) -> None:
    def made(name: str, **files: str) -> str:
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(text)
        return digest(tmp_path / name)

    digests = [made("1", a="bc"), made("2", ab="c"), made("3", a="b", c=""), made("4", a="bd"), made("5", b="bc")]
    assert len(set(digests)) == 5
    assert made("6", a="bc") == digests[0]
