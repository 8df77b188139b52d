"""What is installed is pinned exactly, whole, and under licences that go with this project's own."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.metadata import distribution, distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).resolve().parents[2]
FILES = [
    *sorted(PROJECT.glob("requirements*.txt")),
    PROJECT / "constraints.txt",
    PROJECT / "local_aws" / "requirements.txt",
    PROJECT / "tests" / "integration" / "old-botocore.txt",
]
NODE = ["package.json", "benchmarks/package.json", "examples/typescript/package.json"]
#: What may be redistributed with, or needed by, something under the Apache License 2.0. In lower case.
ALLOWED = {
    "apache-2.0",
    "apache license 2.0",
    "apache2",
    "apache software license",
    "mit",
    "mit license",
    "bsd-2-clause",
    "bsd-3-clause",
    "bsd license",
    "isc",
    "psf-2.0",
}
#: Not what a distribution says of itself here, but no licence either.
NOTHING = {"", "unknown", "dual license"}
#: Come with Python's own environments.
WITH_PYTHON = {"pip", "setuptools", "wheel"}


def project() -> dict[str, Any]:
    return tomllib.loads((PROJECT / "pyproject.toml").read_text())


def pins(file: Path) -> dict[str, str]:
    """Return the requirements of a file; fail where one is not pinned exactly."""
    found: dict[str, str] = {}
    for line in file.read_text().splitlines():
        text = line.partition("#")[0].strip()
        if not text or text.startswith("-r "):
            continue
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)", text)
        assert match, f"{file.name}: got {text!r}, expected name==version"
        found[canonicalize_name(match[1])] = match[2]
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PROJECT).as_posix())
def test_every_requirement_is_pinned_exactly(file: Path) -> None:
    assert pins(file)


@pytest.mark.parametrize("line", ["boto3>=1.42", "boto3", "boto3==1.*", "git+https://example.com/x", "-e ."])
def test_one_that_is_not_pinned_is_found(tmp_path: Path, line: str) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(f"{line}\n")
    with pytest.raises(AssertionError, match="expected name==version"):
        pins(file)


@pytest.mark.parametrize("file", [file for file in FILES if file.parent == PROJECT], ids=lambda file: file.name)
def test_the_constraints_say_the_same(file: Path) -> None:
    constraints = pins(PROJECT / "constraints.txt")
    assert {name: constraints.get(name) for name in pins(file)} == pins(file)


def test_nothing_is_installed_that_is_not_pinned() -> None:
    """Of what others need, too: else another day installs something else."""
    installed = {canonicalize_name(each.metadata["Name"]): each.version for each in distributions()}
    constraints = pins(PROJECT / "constraints.txt")
    own = WITH_PYTHON | {"evs-entitlements"}
    assert {
        name: number for name, number in installed.items() if name not in own and constraints.get(name) != number
    } == {}


def test_what_builds_the_wheel_is_pinned_exactly() -> None:
    constraints = pins(PROJECT / "constraints.txt")
    for text in project()["build-system"]["requires"]:
        name, _, number = text.partition("==")
        assert constraints[name] == number


def test_the_pins_are_within_what_the_package_asks_for() -> None:
    constraints = pins(PROJECT / "constraints.txt")
    for requirement in map(Requirement, project()["project"]["dependencies"]):
        assert [each for each in requirement.specifier if each.operator == ">="], f"{requirement}: no oldest version"
        assert requirement.specifier.contains(constraints[canonicalize_name(requirement.name)])


@pytest.mark.parametrize("name", NODE)
def test_packages_of_node_are_pinned_exactly_and_locked(name: str) -> None:
    file = PROJECT / name
    content, lock = json.loads(file.read_text()), json.loads((file.parent / "package-lock.json").read_text())
    wanted = content.get("dependencies", {}) | content.get("devDependencies", {})
    assert wanted
    for package, number in wanted.items():
        assert re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", number), f"{package}: {number}"
        assert lock["packages"][f"node_modules/{package}"]["version"] == number


def licences(name: str) -> set[str]:
    """Return what a distribution says of its licence, in its newer or its older fields."""
    metadata = distribution(name).metadata
    said = metadata.get_all("License-Expression") or metadata.get_all("License") or []
    classifiers = [each for each in metadata.get_all("Classifier") or [] if each.startswith("License")]
    words = {each.lower().rpartition(":: ")[2].strip() for each in [*said, *classifiers]}
    return {word for word in words if word not in NOTHING | {"osi approved"}}


def needed(name: str, found: set[str]) -> set[str]:
    """Add a distribution to `found`, and all that it needs when it runs."""
    if canonicalize_name(name) not in found:
        found.add(canonicalize_name(name))
        for requirement in map(Requirement, distribution(name).requires or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                needed(requirement.name, found)
    return found


def test_the_licences_of_what_it_needs_are_allowed() -> None:
    found = {name: licences(name) for name in needed("evs-entitlements", set())}
    assert len(found) > 20
    assert {name: said for name, said in found.items() if not said or not said <= ALLOWED} == {}
