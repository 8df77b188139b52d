"""Stores what this version of the project leaves in a user's account: `python -m tests.upgrade.store`.

Run at each release, on the commit that is released, and committed after it. Writes templates, ledgers, what the
monitor remembers, golden ids, and the digest of the function's code to `tests/upgrade/<version>/`. A version that has
a tag is never written again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from evs_entitlements import third_party
from evs_entitlements.lambda_code import stage_code
from lambda_handler.cloudformation.physical_id import set_id
from lambda_handler.values import Connector
from testing.cdk import PROJECT
from tests.simulation.scene import Scene

from . import fixed_app, fixed_scene, fixed_watch
from .stored_code import SHIPPED, digest
from .versions import ABOUT, AT_REST, FOLDER, LEDGERS, MEMORY, UNDER_WAY, as_json


class NotStored(Exception):
    """The version can't be stored; the message says why."""


def store(folder: Path, number: str, commit: str) -> None:
    """Write a version's files to a folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as temporary:
        assembly = fixed_app.synthesize(Path(temporary, "cdk.out"))
        for stack in fixed_app.STACKS:
            template = json.loads((assembly / f"{stack}.template.json").read_text())
            _write(folder / f"{stack}.template.json", template)
        stage_code(Path(temporary, "code"))
        code = digest(Path(temporary, "code"))
    ledgers, ids = _ledgers()
    _write(folder / LEDGERS, ledgers)
    _write(folder / MEMORY, as_json(fixed_watch.item(fixed_watch.at_risk())))
    golden_id = set_id(fixed_scene.WINDOWS, Connector(*fixed_scene.HERE), frozenset(fixed_scene.GOLDEN))
    about = {
        "version": number,
        "commit": commit,
        "code": code,
        "pins": third_party.PINS,
        "ids": ids,
        "goldenId": golden_id,
    }
    # Last: a folder without it is no version.
    _write(folder / ABOUT, about)


def _ledgers() -> tuple[dict[str, Any], dict[str, str]]:
    ledgers = {}
    world = Scene()
    try:
        stack = fixed_scene.at_rest(world)
        ledgers[AT_REST] = as_json(fixed_scene.item(stack))
        ids = {name: resource.physical_id for name, resource in stack.model.resources.items()}
    finally:
        world.close()
    world = Scene()
    try:
        stack, _ = fixed_scene.under_way(world)
        ledgers[UNDER_WAY] = as_json(fixed_scene.item(stack))
    finally:
        world.close()
    return ledgers, ids


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(PROJECT), *arguments], capture_output=True, text=True)
    if done.returncode:
        raise NotStored(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def _checked_commit(number: str, *, again: bool) -> str:
    if _git("status", "--porcelain", "--", *SHIPPED):
        raise NotStored(f"{', '.join(SHIPPED)}: got changes that are not committed, expected those of a commit alone")
    if (FOLDER / number).exists():
        if _git("tag", "--list", f"v{number}"):
            raise NotStored(f"{number}: is released, and what it has left in users' accounts does not change")
        if not again:
            raise NotStored(f"{number}: is stored already; --again writes it anew, before its release")
    # The last commit that has changed them: it is there wherever a later one is.
    return _git("log", "-1", "--format=%H", "--", *SHIPPED)


def main() -> int:
    """Store the version of pyproject.toml; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.upgrade.store", description=__doc__)
    parser.add_argument("--again", action="store_true", help="write a version that has no tag yet once more")
    arguments = parser.parse_args()
    number = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    try:
        commit = _checked_commit(number, again=arguments.again)
        store(FOLDER / number, number, commit)
    except NotStored as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"stored {number} of commit {commit[:12]} in {(FOLDER / number).relative_to(PROJECT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
