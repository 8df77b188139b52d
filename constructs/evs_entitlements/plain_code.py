"""The source text of a module without its comments and docstrings, which mean nothing to Lambda.

Owns that what is left is the same program on the same lines, so that a traceback of the function leads to the line of
the source, and that its bytes are the same whichever Python makes them. Nothing is written anew: text is only taken
out, where the parser and the tokenizer say that it stands.

Imports nothing but the standard library: it serves the synthesis of an app, in whatever environment that runs.
"""

import ast
import io
import tokenize
import warnings
from functools import cache

_WITH_DOCSTRINGS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def plain(source: bytes) -> bytes:
    r"""Return a module without comments and docstrings.

    A docstring that shares its line with other code stays: taking it out could change what that code means.

    Args:
        source: a module in UTF-8 with `\n` as line end.

    Raises:
        SyntaxError: it is no Python.
    """
    text = source.decode()
    lines = text.split("\n")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    with warnings.catch_warnings():
        # What a newer Python thinks of somebody's escapes does not belong into the synthesis of an app.
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, _WITH_DOCSTRINGS) and ast.get_docstring(node, clean=False) is not None:
            _take_out(node.body[0], lines, alone=len(node.body) == 1 and not isinstance(node, ast.Module))
    return "".join(f"{line}\n" for line in lines).rstrip("\n").encode() + (b"\n" if any(lines) else b"")


def _take_out(docstring: ast.stmt, lines: list[str], *, alone: bool) -> None:
    """Blank the lines of a docstring. Comments are gone from `lines` by now.

    Args:
        docstring: its statement. The parser counts lines from 1 and columns in bytes.
        lines: the lines of the module.
        alone: whether its block has nothing else, and needs something.
    """
    first, last = docstring.lineno - 1, (docstring.end_lineno or docstring.lineno) - 1
    before = lines[first].encode()[: docstring.col_offset]
    after = lines[last].encode()[docstring.end_col_offset :]
    if before.strip() or after.strip():
        return
    lines[first : last + 1] = [""] * (last - first + 1)
    if alone:
        lines[first] = f"{before.decode()}pass"
