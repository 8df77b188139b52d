"""Runs the project's app in this process: a start of Python and of Node takes two seconds of a core.

That the app starts by itself, in whatever environment, is shown by the tests that start it.
"""

import contextlib
import io
import runpy
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import aws_cdk

from testing.cdk import PROJECT

#: What app.py defines.
APP: dict[str, Any] = runpy.run_path(str(PROJECT / "app.py"), run_name="app")


@dataclass(frozen=True)
class Done:
    """How a run of the app ended."""

    returncode: int
    stderr: str


def run_app(folder: Path, context: dict[str, Any]) -> Done:
    """Run the app in a folder, whose `cdk.out` is its cloud assembly."""
    app = partial(aws_cdk.App, outdir=str(folder / "cdk.out"), context=context)
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(aws_cdk, "App", app),
        mock.patch.object(sys, "path", [*sys.path]),
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = APP["main"]()
    assert out.getvalue() == ""
    return Done(code, err.getvalue())
