"""Checks that this tree can be released, and leaves what is published in dist/: wheel, sdist, SBOM, SHA256SUMS.

    python tools/release_check.py [--unreleased]

Owns what has to agree before a version is published: pyproject.toml, CHANGELOG.md, the tag, the bytes of two builds,
and what the artefacts say of themselves. Never publishes, tags or changes a file of the tree.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.wheel_environment import PROJECT, CommandError, build, copy_tracked, install, run

#: cyclonedx-bom and twine, in an environment of their own: neither belongs into the SBOM.
TOOLS = PROJECT / ".local" / "release"
REQUIREMENTS, CONSTRAINTS = PROJECT / "requirements-release.txt", PROJECT / "constraints.txt"
#: Version of CycloneDX that the SBOM is written in.
CYCLONEDX = "1.6"
_HEADING = re.compile(r"^## \[([^\]]+)\](?: - ([0-9]{4}-[0-9]{2}-[0-9]{2}))?\s*$", re.MULTILINE)


class NotReadyError(Exception):
    """The tree cannot be released; the message says why in one line."""


def main() -> int:
    """Check; return the exit code."""
    parser = argparse.ArgumentParser(description="Check that this tree can be released")
    parser.add_argument(
        "--unreleased", action="store_true", help="try all but version, CHANGELOG and tag: between two releases"
    )
    try:
        check(PROJECT / "dist", unreleased=parser.parse_args().unreleased)
    except (NotReadyError, CommandError, subprocess.TimeoutExpired) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def check(dist: Path, *, unreleased: bool = False) -> None:
    """Check all, and leave the artefacts in `dist`.

    Raises:
        NotReadyError: something does not agree.
        CommandError: a tool failed.
    """
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    if not unreleased:
        check_version(version, (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8"), tags(), changed())
        say(f"version {version}: pyproject.toml, CHANGELOG.md and the tags of HEAD agree")
    shutil.rmtree(dist, ignore_errors=True)
    artefacts = build_twice(dist)
    say(f"built twice, the same bytes: {', '.join(path.name for path in artefacts)}")
    tools = release_tools()
    run([str(tools / "twine"), "check", "--strict", *map(str, artefacts)], cwd=PROJECT)
    say("their metadata and description are in order")
    sbom = write_sbom(artefacts, dist / f"evs_entitlements-{version}.cdx.json", tools)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in [*artefacts, sbom]]
    (dist / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
    sys.stdout.write("".join(lines))


def check_version(version: str, changelog: str, tags_of_head: list[str], changed_files: list[str]) -> None:
    """Check that all that names the version names the same.

    Args:
        version: that of pyproject.toml.
        changelog: the text of CHANGELOG.md, newest version first.
        tags_of_head: git's tags of the commit.
        changed_files: files that differ from the commit.

    Raises:
        NotReadyError: something names another, or the tree is not the commit.
    """
    headings = [match for match in _HEADING.finditer(changelog) if match[1] != "Unreleased"]
    if not headings:
        raise NotReadyError(f"CHANGELOG.md: got no version, expected ## [{version}] - and its date as the newest")
    if headings[0][1] != version:
        raise NotReadyError(f"CHANGELOG.md: got {headings[0][1]} as the newest version, expected {version}")
    if headings[0][2] is None:
        raise NotReadyError(f"CHANGELOG.md: got no date for {version}, expected one: ## [{version}] - 2026-01-31")
    if changelog.partition("## [Unreleased]")[2].partition("## [")[0].strip():
        raise NotReadyError(f"CHANGELOG.md: got entries under Unreleased, expected them under {version}")
    versions = [tag for tag in tags_of_head if re.fullmatch(r"v[0-9].*", tag)]
    if versions and versions != [f"v{version}"]:
        raise NotReadyError(f"tags of HEAD: got {', '.join(versions)}, expected v{version} alone, or none")
    if changed_files:
        raise NotReadyError(f"the tree: got changes in {', '.join(changed_files[:5])}, expected what HEAD has")


def tags() -> list[str]:
    """Return the tags of HEAD."""
    return run(["git", "tag", "--points-at", "HEAD"], cwd=PROJECT).split()


def changed() -> list[str]:
    """Return the files that differ from HEAD, and those that git does not know."""
    return [line[3:] for line in run(["git", "status", "--porcelain"], cwd=PROJECT).splitlines()]


def build_twice(dist: Path) -> list[Path]:
    """Build from two copies of the tree, in folders and under umasks that differ, and keep the first.

    Raises:
        NotReadyError: the bytes differ.
        CommandError: a build failed.
    """
    with tempfile.TemporaryDirectory() as temporary:
        built = []
        for name, mask in (("one", 0o022), ("another/folder", 0o077)):
            source, into = Path(temporary) / name / "source", Path(temporary) / name / "dist"
            before = os.umask(mask)
            try:
                source.mkdir(parents=True)
                copy_tracked(source)
                built.append(build(source, into))
            finally:
                os.umask(before)
        first, second = ({path.name: path.read_bytes() for path in paths} for paths in built)
        if len(first) != 2 or first.keys() != second.keys():
            raise NotReadyError(f"builds: got {sorted(first)} and {sorted(second)}, expected one wheel and one sdist")
        if wrong := [name for name in first if first[name] != second[name]]:
            raise NotReadyError(f"{', '.join(wrong)}: got other bytes from a second build, expected the same")
        dist.mkdir(parents=True)
        for name, content in first.items():
            (dist / name).write_bytes(content)
    return sorted(dist.iterdir())


def release_tools() -> Path:
    """Return the folder of the programs that a release is checked with; install them when their pins have changed.

    Raises:
        CommandError: they could not be installed.
    """
    pins = REQUIREMENTS.read_bytes() + CONSTRAINTS.read_bytes() + sys.version.encode()
    digest = hashlib.sha256(pins).hexdigest()
    stamp = TOOLS / "installed-for"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != digest:
        shutil.rmtree(TOOLS, ignore_errors=True)
        run([sys.executable, "-m", "venv", str(TOOLS)], cwd=PROJECT)
        pip = [str(TOOLS / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, "-c", str(CONSTRAINTS), "-r", str(REQUIREMENTS)], cwd=PROJECT)
        stamp.write_text(digest, encoding="utf-8")
    return TOOLS / "bin"


def write_sbom(artefacts: list[Path], target: Path, tools: Path) -> Path:
    """Write what the wheel needs, as it is installed under this tree's pins, in CycloneDX.

    Raises:
        NotReadyError: it does not say what was installed.
        CommandError: the wheel could not be installed.
    """
    (wheel,) = (path for path in artefacts if path.suffix == ".whl")
    with tempfile.TemporaryDirectory() as temporary:
        python = install(wheel, Path(temporary) / "environment", constraints=CONSTRAINTS)
        # pyproject.toml says what the SBOM is of, the environment what its ranges came to.
        command = [str(tools / "cyclonedx-py"), "environment", "--output-reproducible", "--mc-type", "library"]
        options = ["--sv", CYCLONEDX, "--of", "JSON", "-o", str(target), "--pyproject", str(PROJECT / "pyproject.toml")]
        run([*command, *options, str(python)], cwd=PROJECT)
    text = target.read_text(encoding="utf-8")
    found = {each["name"]: each["version"] for each in json.loads(text)["components"]}
    constraints = dict(re.findall(r"^([\w.-]+)==(\S+)$", CONSTRAINTS.read_text(encoding="utf-8"), re.MULTILINE))
    if missing := {"aws-cdk-lib", "boto3", "crhelper", "click"} - found.keys():
        raise NotReadyError(f"SBOM: got none of {', '.join(sorted(missing))}, expected all that the wheel needs")
    lower = {name.lower().replace("_", "-"): number for name, number in constraints.items()}
    if wrong := [name for name, number in found.items() if lower.get(name.lower().replace("_", "-")) != number]:
        raise NotReadyError(f"SBOM: got versions that are not pinned of {', '.join(wrong)}, expected the pinned ones")
    if temporary in text or str(PROJECT) in text:
        raise NotReadyError("SBOM: got a path of this machine in it, expected none")
    say(f"{target.name}: {len(found)} components, CycloneDX {CYCLONEDX}")
    return target


def say(text: str) -> None:
    """Say on stderr what is done."""
    sys.stderr.write(f"release-check: {text}\n")


if __name__ == "__main__":
    sys.exit(main())
