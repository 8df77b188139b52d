"""Pages of the repository become pages of the site, and their links lead there."""

from pathlib import Path

import pytest

from tools.docs_site.pages import Pages, Section

PROJECT = Path(__file__).parents[3]
CONTENTS = """# All pages

See the [README](../README.md).

## Begin

- [A](a.md), and [its part](a.md#part)
- [Task](tasks/b.md)

## Reference

| page | |
|---|---|
| [Example](../examples/one/README.md) | [schema](schemas/x.json) |
| [Changes](../CHANGELOG.md) | |
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "README.md": "# P\n[docs](docs/README.md) ![picture](docs/p.svg) [a](docs/a.md#part)\n",
        "CHANGELOG.md": "# Changes\n",
        "docs/README.md": CONTENTS,
        "docs/a.md": "# A\n## Part\n[up](../README.md) [code](../src/x.py) [folder](../src) [elsewhere](https://a.b)\n"
        "```\n[b](tasks/b.md)\n```\n",
        "docs/tasks/b.md": "# B\n[a](../a.md) [example](../../examples/one/) ![picture](../p.svg) [here](#b)\n",
        "docs/p.svg": "<svg/>",
        "docs/schemas/x.json": "{}",
        "examples/one/README.md": "# One\n[changes](../../CHANGELOG.md) [docs/a.md](../../docs/a.md)\n",
        "examples/one/node_modules/m/README.md": "# Not ours\n",
        "src/x.py": "1\n",
    }
    for name, text in files.items():
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "project"


def test_links_lead_to_where_the_pages_are_in_the_site(project: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    Pages(project).stage(site)
    assert "[docs](all-pages.md) ![picture](p.svg) [a](a.md#part)" in (site / "index.md").read_text()
    a = (site / "a.md").read_text()
    assert "[up](index.md) [code](files/src/x.py) folder [elsewhere](https://a.b)" in a
    assert "```\n[b](tasks/b.md)\n```" in a, "code is left as it is"
    assert (site / "files/src/x.py").read_text() == "1\n"
    b = (site / "tasks/b.md").read_text()
    assert "[a](../a.md) [example](../examples/one.md) ![picture](../p.svg) [here](#b)" in b
    assert (site / "p.svg").exists()
    assert "[changes](../changelog.md) [A](../a.md)" in (site / "examples/one.md").read_text()
    assert "[schema](files/docs/schemas/x.json)" in (site / "all-pages.md").read_text()


def test_the_navigation_is_what_the_contents_list(project: Path, tmp_path: Path) -> None:
    pages = Pages(project)
    assert pages.sections() == [Section("Begin", ["a", "tasks/b"]), Section("Reference", ["examples/one", "changelog"])]
    pages.stage(tmp_path / "site")
    assert ":caption: Begin\n\na\ntasks/b\n```" in (tmp_path / "site/index.md").read_text()


def test_every_page_of_this_project_is_in_the_navigation() -> None:
    pages = Pages(PROJECT)
    listed = {name for section in pages.sections() for name in section.pages}
    assert {page.with_suffix("").as_posix() for page in pages.by_source.values()} - listed == {"index", "all-pages"}
