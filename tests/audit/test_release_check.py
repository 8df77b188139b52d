"""The check of a release finds what does not agree, and makes what is published."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from tools import release_check, wheel_environment
from tools.release_check import NotReadyError, build_twice, check, check_version

if TYPE_CHECKING:
    from pathlib import Path

READY = "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-12-01\n\n- One.\n\n## [1.2.2] - 2026-11-01\n"


@pytest.mark.parametrize("tags", [[], ["v1.2.3"], ["nightly", "v1.2.3"]])
def test_what_agrees(tags: list[str]) -> None:
    check_version("1.2.3", READY, tags, [])


@pytest.mark.parametrize(
    ("changelog", "tags", "changed", "said"),
    [
        ("## [Unreleased]\n- One.\n", [], [], "got no version, expected ## \\[1.2.3\\]"),
        (READY.replace("[1.2.3]", "[1.2.4]"), [], [], "got 1.2.4 as the newest version, expected 1.2.3"),
        (READY.replace(" - 2026-12-01", ""), [], [], "got no date for 1.2.3"),
        (READY.replace("[Unreleased]\n", "[Unreleased]\n- New.\n"), [], [], "got entries under Unreleased"),
        (READY, ["v1.2.2"], [], "tags of HEAD: got v1.2.2, expected v1.2.3 alone"),
        (READY, ["v1.2.2", "v1.2.3"], [], "tags of HEAD: got v1.2.2, v1.2.3, expected v1.2.3 alone"),
        (READY, [], ["README.md"], "got changes in README.md, expected what HEAD has"),
    ],
)
def test_what_does_not_agree(changelog: str, tags: list[str], changed: list[str], said: str) -> None:
    with pytest.raises(NotReadyError, match=said):
        check_version("1.2.3", changelog, tags, changed)


def test_one_line_says_why_it_is_not_ready(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["release_check.py"])
    monkeypatch.setattr(release_check, "changed", lambda: ["README.md"])
    monkeypatch.setattr(release_check, "tags", lambda: ["v0.0.0"])
    monkeypatch.setattr(release_check, "build_twice", lambda _: pytest.fail("it is not ready"))
    assert release_check.main() == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1


def test_bytes_that_differ_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    numbers = iter("12")

    def build(source: Path, into: Path) -> list[Path]:
        assert (source / "pyproject.toml").exists()
        into.mkdir(parents=True)
        (into / "evs_entitlements-1.tar.gz").write_text("the same")
        (into / "evs_entitlements-1.whl").write_text(next(numbers))
        return sorted(into.iterdir())

    monkeypatch.setattr(release_check, "build", build)
    with pytest.raises(NotReadyError, match=r"^evs_entitlements-1\.whl: got other bytes from a second build"):
        build_twice(tmp_path / "dist")
    assert not (tmp_path / "dist").exists()


def test_make_dist_builds_the_same_bytes() -> None:
    assert (
        f"SOURCE_DATE_EPOCH={wheel_environment.EPOCH} python -m hatchling build"
        in (wheel_environment.PROJECT / "Makefile").read_text()
    )


@pytest.mark.long
def test_all_of_it(tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    check(dist, unreleased=True)
    files = {path.name: path for path in dist.iterdir()}
    sums = {name: digest for digest, name in map(str.split, files.pop("SHA256SUMS").read_text().splitlines())}
    assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()} == sums
    assert sorted(path.suffix for path in files.values()) == [".gz", ".json", ".whl"]
    (sbom,) = (path for name, path in files.items() if name.endswith(".cdx.json"))
    content = json.loads(sbom.read_text())
    (root,) = (each for each in content["dependencies"] if each["ref"] == content["metadata"]["component"]["bom-ref"])
    assert any(each.startswith("aws-cdk-lib==") for each in root["dependsOn"])
