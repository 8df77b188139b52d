"""What is in the wheel and the sdist, and what they say of themselves."""

from __future__ import annotations

import email.parser
import runpy
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trove_classifiers

from evs_entitlements import third_party
from testing.pythons import VERSIONS

if TYPE_CHECKING:
    from email.message import Message

PROJECT = Path(__file__).resolve().parents[2]
VERSION = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
BUILD = runpy.run_path(str(PROJECT / "hatch_build.py"), run_name="hatch_build")


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Wheel and sdist, built as `make dist` builds them."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return {"wheel": wheel, "sdist": sdist}


@pytest.fixture(scope="module")
def wheel(artefacts: dict[str, Path]) -> dict[str, bytes]:
    with zipfile.ZipFile(artefacts["wheel"]) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def sdist(artefacts: dict[str, Path]) -> set[str]:
    with tarfile.open(artefacts["sdist"]) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


@pytest.fixture(scope="module")
def metadata(wheel: dict[str, bytes]) -> Message:
    (found,) = (content for name, content in wheel.items() if name.endswith(".dist-info/METADATA"))
    return email.parser.Parser().parsestr(found.decode())


def test_the_wheel_has_the_packages_of_the_project_and_nothing_else(wheel: dict[str, bytes]) -> None:
    assert {name.partition("/")[0] for name in wheel} == {
        "evs_entitlements",
        "evs_fleet",
        "evs_health",
        f"evs_entitlements-{VERSION}.dist-info",
    }
    assert {name.split("/")[1] for name in wheel if name.startswith("evs_entitlements/") and name.count("/") > 1} == {
        "lambda_handler",
        third_party.STAGED,
        BUILD["LICENCES"],
    }


def test_neither_tests_nor_tools_nor_caches_are_in_them(wheel: dict[str, bytes], sdist: set[str]) -> None:
    for name in [*wheel, *sdist]:
        parts = Path(name).parts
        assert not {"tests", "tools", "testing", "demo", "benchmarks", "local_aws", "docs", "__pycache__"} & {*parts}
        assert not Path(name).name.startswith("test_"), name
        assert Path(name).suffix not in (".pyc", ".orig", ".log"), name


def test_the_sdist_has_all_that_git_has_of_what_it_is_made_of(sdist: set[str]) -> None:
    names = ["constructs", "fleet", "lambda_handler", "hatch_build.py", "pyproject.toml", "README.md", "CHANGELOG.md"]
    listed = subprocess.run(["git", "ls-files", *names, "LICENSE"], cwd=PROJECT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not in a clone of git")
    assert sdist - {"PKG-INFO", ".gitignore"} == set(listed.stdout.split())


@pytest.mark.parametrize("name", third_party.PINS)
def test_the_licences_of_what_it_redistributes_are_in_the_wheel(wheel: dict[str, bytes], name: str) -> None:
    folder = f"evs_entitlements/{BUILD['LICENCES']}/{name}"
    texts = {path.rpartition("/")[2]: content for path, content in wheel.items() if path.startswith(f"{folder}/")}
    assert {path.partition(".")[0] for path in texts} == {"LICENSE", "NOTICE"}
    for path, content in texts.items():
        assert (b"Apache License" if path.startswith("LICENSE") else b"Copyright") in content


def test_it_says_what_was_changed(wheel: dict[str, bytes]) -> None:
    said = wheel[f"evs_entitlements/{BUILD['LICENCES']}/README.txt"].decode()
    for name, number in third_party.PINS.items():
        assert f"{name} {number}" in said


def test_everything_that_is_staged_belongs_to_a_project_that_is_named(wheel: dict[str, bytes]) -> None:
    prefix = f"evs_entitlements/{third_party.STAGED}/"
    folders = {name.removeprefix(prefix).split("/")[0] for name in wheel if name.startswith(prefix)}
    assert folders == {"crhelper", third_party.MODELS}


def test_a_distribution_without_its_notice_makes_no_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "crhelper-2.0.12.dist-info"
    info.mkdir()
    (info / "LICENSE").write_text("Apache License")
    (info / "RECORD").write_text("crhelper-2.0.12.dist-info/LICENSE,,\n")
    monkeypatch.setitem(BUILD["licences"].__globals__, "distribution", lambda _: PathDistribution(info))
    with pytest.raises(RuntimeError, match=r"crhelper: got a distribution without NOTICE, expected one with it"):
        BUILD["licences"]({"crhelper": third_party.PINS["crhelper"]})


def test_the_licences_are_not_in_git_and_not_in_the_functions_code() -> None:
    assert not (PROJECT / "constructs" / "evs_entitlements" / BUILD["LICENCES"]).exists()
    assert not [name for name in third_party.files() if "LICENSE" in name or "NOTICE" in name]


def test_what_the_wheel_says_of_itself(metadata: Message) -> None:
    assert (metadata["Name"], metadata["Version"]) == ("evs-entitlements", VERSION)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Summary"]
    assert "# Windows Server entitlements" in str(metadata.get_payload())


def test_the_classifiers_exist_and_name_every_python_that_it_is_for(metadata: Message) -> None:
    given = metadata.get_all("Classifier", [])
    assert set(given) <= trove_classifiers.classifiers
    prefix = "Programming Language :: Python :: 3."
    assert [each.removeprefix(prefix) for each in given if each.startswith(prefix)] == [
        version.removeprefix("3.") for version in VERSIONS
    ]


def test_the_oldest_cdk_is_the_same_wherever_it_stands(metadata: Message) -> None:
    oldest = ".".join(map(str, runpy.run_path(str(PROJECT / "app.py"), run_name="app")["CDK_LIB"]))
    assert f"aws-cdk-lib<3,>={oldest}" in metadata.get_all("Requires-Dist", [])
    assert f"aws-cdk-lib {oldest} or newer" in (PROJECT / "docs" / "versioning.md").read_text()
