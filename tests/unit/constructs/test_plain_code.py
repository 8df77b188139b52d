"""The function's code without comments and docstrings: the same program, on the same lines, of the same bytes."""

from __future__ import annotations

import ast
import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from evs_entitlements import lambda_code, plain_code, third_party
from testing.pythons import VERSIONS, interpreter

PROJECT = Path(__file__).resolve().parents[3]
OWN = sorted([*(PROJECT / "lambda_handler").rglob("*.py"), *(PROJECT / "fleet" / "evs_health").rglob("*.py")])


def meaning(source: bytes) -> str:
    """What a module means, and where each part begins: its tree without docstrings.

    Where a part ends is left out: a block that has nothing but its docstring ends elsewhere without it.
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            if ast.get_docstring(node) is not None:
                del node.body[0]
            if len(node.body) == 1 and isinstance(node.body[0], ast.Pass):
                del node.body[0]
        for end in ("end_lineno", "end_col_offset"):
            if hasattr(node, end):
                delattr(node, end)
    return ast.dump(tree, include_attributes=True)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.relative_to(PROJECT).as_posix())
def test_the_same_program_on_the_same_lines(path: Path) -> None:
    source = path.read_bytes()
    plain = plain_code.plain(source)
    assert meaning(plain) == meaning(source)
    assert ast.get_docstring(ast.parse(plain)) is None
    assert b'"""' not in plain
    assert plain == plain_code.plain(plain)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", ""),
        ("# only this\n", ""),
        ('"""Owns.\n\nMuch.\n"""\n\nx = 1  # why\n', "\n\n\n\n\nx = 1\n"),
        ("x = '# no comment'\n", "x = '# no comment'\n"),
        ('x = f"# {1} no comment"  # one\n', 'x = f"# {1} no comment"\n'),
        ('x = """\n# no comment\n"""\n', 'x = """\n# no comment\n"""\n'),
        ('def f():\n    """Alone."""\n', "def f():\n    pass\n"),
        ('def f():\n    """Alone,\n\n    long.\n    """\n\n\nx = 1\n', "def f():\n    pass\n\n\n\n\n\nx = 1\n"),
        ('class A:\n    """Doc."""  # why\n\n    x = 1\n', "class A:\n\n\n    x = 1\n"),
        ('async def f():\n    """Doc."""\n    return 1\n', "async def f():\n\n    return 1\n"),
        ("def f():\n    '''ä''' 'ö'\n    return 'ü'  # ß\n", "def f():\n\n    return 'ü'\n"),
        ('def f(): """With others on its line."""\n', 'def f(): """With others on its line."""\n'),
        ('def f():\n    """Doc."""; return 1\n', 'def f():\n    """Doc."""; return 1\n'),
        ('x = 1\n"""No docstring."""\n', 'x = 1\n"""No docstring."""\n'),
        ("x = [\n    1,  # one\n    # two\n    2,\n]\n", "x = [\n    1,\n\n    2,\n]\n"),
        ("x = 1", "x = 1\n"),
    ],
)
def test_what_is_taken_out_and_what_stays(source: str, expected: str) -> None:
    plain = plain_code.plain(source.encode())
    assert plain.decode() == expected
    compile(plain, "plain", "exec")


def test_no_module_reads_its_own_docstring() -> None:
    """It would find none in Lambda."""
    assert [path.name for path in OWN if b"__doc__" in path.read_bytes()] == []


def test_the_asset_has_them_plain_and_third_party_code_as_it_came() -> None:
    staged = lambda_code.staged_files()
    for path in OWN:
        folder = PROJECT / "fleet" if path.is_relative_to(PROJECT / "fleet") else PROJECT
        name = path.relative_to(folder).as_posix()
        assert staged[name] == plain_code.plain(path.read_bytes()), name
    for name, content in third_party.files().items():
        assert staged[name] == content, name


_DIGEST = """
import hashlib, importlib.util, json, pathlib, sys
spec = importlib.util.spec_from_file_location("plain_code", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(json.dumps([hashlib.sha256(module.plain(pathlib.Path(name).read_bytes())).hexdigest() for name in sys.argv[2:]]))
"""


@pytest.mark.parametrize("version", VERSIONS)
def test_every_python_makes_the_same_bytes(version: str) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"this machine has no Python {version}")
    module = str(PROJECT / "constructs" / "evs_entitlements" / "plain_code.py")
    done = subprocess.run(
        [python, "-I", "-c", _DIGEST, module, *map(str, OWN)], check=True, capture_output=True, text=True
    )
    assert json.loads(done.stdout) == [hashlib.sha256(plain_code.plain(path.read_bytes())).hexdigest() for path in OWN]
