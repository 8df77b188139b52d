"""Every link of README.md, CHANGELOG.md, CONTRIBUTING.md and docs/ leads somewhere.

To a file that exists, and to a heading in it.

Every page of docs/ can be reached from README.md.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
        *(ROOT / "docs").rglob("*.md"),
    ]
)
_CODE_BLOCK = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.*?) *$", re.MULTILINE)
_ELSEWHERE = re.compile(r"[a-z]+:")


def links(page: Path) -> list[str]:
    """Return the targets of a page's links within this project."""
    text = _CODE.sub("", _CODE_BLOCK.sub("", page.read_text()))
    return [target for target in _LINK.findall(text) if not _ELSEWHERE.match(target)]


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to a page's headings."""
    found: dict[str, int] = {}
    result = set()
    for heading in _HEADING.findall(_CODE_BLOCK.sub("", page.read_text())):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        number = found.get(anchor, 0)
        found[anchor] = number + 1
        result.add(f"{anchor}-{number}" if number else anchor)
    return result


def wrong(page: Path) -> list[str]:
    """Return the links of a page that lead nowhere."""
    nowhere = []
    for target in links(page):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        is_there = file.exists() and file.is_relative_to(ROOT)
        if not is_there or (anchor and (file.suffix != ".md" or anchor not in anchors(file))):
            nowhere.append(target)
    return nowhere


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert wrong(page) == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        waiting += [(page.parent / target.partition("#")[0]).resolve() for target in links(page) if target[0] != "#"]
    assert {page for page in PAGES if page not in reached} == set()


@pytest.mark.parametrize("target", ["missing.md", "there.md#no-such-heading", "#no-such-heading", "../outside.md"])
def test_a_link_that_leads_nowhere_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    """The check itself would notice."""
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.setattr(f"{__name__}.ROOT", root)
    (tmp_path / "outside.md").write_text("# Outside\n")
    (root / "there.md").write_text("# A heading, `with code`\n")
    page = root / "page.md"
    page.write_text(f"# Page\n[good](there.md#a-heading-with-code) [bad]({target}) [elsewhere](https://example.com)\n")
    assert wrong(page) == [target]
