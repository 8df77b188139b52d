"""Builds the site: the pages, the reference of the construct, and Sphinx's run over them.

Owns the order of these. A warning is an error: a link that leads nowhere, a page that docs/README.md does not list, a
language of a code block that nobody knows.
"""

import re
import shutil
import sys
import tempfile
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util.console import nocolor
from sphinx.util.docutils import docutils_namespace

from tools.docs_site import api
from tools.docs_site.pages import Pages

PROJECT = Path(__file__).resolve().parents[2]
#: The page of the construct, and the part of it in whose place the site has the reference.
API_PAGE = "api.md"
_REFERENCE = re.compile(r"<!-- reference -->.*?<!-- end -->", re.DOTALL)

#: What tells a former site from another folder.
FORMER = "searchindex.js"


def build(out: Path, project: Path = PROJECT) -> int:
    """Build the site into a folder, in which a former site may be.

    Args:
        out: the folder.
        project: the folder of the repository.

    Returns:
        0, or 1 when there was a warning; warnings are on stderr.

    Raises:
        SystemExit: the folder has something else in it.
    """
    if out.exists() and not (out / FORMER).exists() and any(out.iterdir()):
        raise SystemExit(f"error: {out}: got a folder with other files in it, expected none, or that of a former site")
    nocolor()
    with tempfile.TemporaryDirectory() as directory:
        source, work, html = (Path(directory, name) for name in ("source", "work", "html"))
        Pages(project).stage(source)
        page = source / API_PAGE
        text, found = _REFERENCE.subn(lambda _: api.reference(project), page.read_text(encoding="utf-8"))
        if found != 1:
            raise ValueError(f"docs/{API_PAGE}: got {found} places for the reference, expected one")
        page.write_text(text, encoding="utf-8")
        with docutils_namespace():
            app = Sphinx(
                str(source),
                str(Path(__file__).parent),
                str(html),
                str(work),
                "html",
                status=None,
                warning=sys.stderr,
                freshenv=True,
                warningiserror=True,
            )
            app.build(force_all=True)
        # At the end, so that what is there is whole, whatever interrupts this.
        shutil.rmtree(out, ignore_errors=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(html, out)
        return int(app.statuscode)
