"""The documentation site as a reader has it: from a folder, without a network, wide and bright, narrow and dark.

Needs Debian's Chromium, or any that is on PATH. Screenshots of all pages are in .local/site/screenshots afterwards.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.npm import with_packages
from tools.docs_site.__main__ import install

pytestmark = pytest.mark.long

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
LOCAL = PROJECT / ".local" / "site"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
#: Of WCAG 2.1: levels A and AA. A contrast of 4.5:1 is one of these rules.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
MODES: dict[str, dict[str, Any]] = {
    "wide": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "narrow": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built anew."""
    out = tmp_path_factory.mktemp("site") / "html"
    command = [sys.executable, "-m", "tools.docs_site", "--out", str(out)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core."""
    folder = with_packages(HERE, LOCAL / "axe")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser on PATH: none of {', '.join(BROWSERS)}; on Debian: apt-get install chromium")
    install(HERE / "requirements.txt")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Its sandbox does not go with root.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        opened = playwright.chromium.launch(executable_path=found, args=arguments)
        yield opened
        opened.close()


def pages(site: Path) -> list[Path]:
    """Return all pages that somebody wrote."""
    found = sorted(path for path in site.rglob("*.html") if path.name not in ("genindex.html", "search.html"))
    assert len(found) > 30
    return found


@pytest.mark.parametrize("mode", MODES)
def test_each_page_can_be_read(site: Path, axe: str, browser: Any, mode: str) -> None:
    shots = LOCAL / "screenshots" / mode
    shutil.rmtree(shots, ignore_errors=True)
    wrong: list[str] = []
    context = browser.new_context(offline=True, **MODES[mode])
    page = context.new_page()
    page.on("request", lambda one: wrong.append(f"asks for {one.url}") if not one.url.startswith("file:") else None)
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    for path in pages(site):
        name = str(path.relative_to(site))
        page.goto(path.as_uri())
        page.evaluate(axe)
        found = page.evaluate("rules => axe.run({runOnly: {type: 'tag', values: rules}})", RULES)
        for violation in found["violations"]:
            wrong += [f"{name}: {violation['id']}: {node['html'][:120]}" for node in violation["nodes"][:3]]
        width = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if width > 0:
            wrong.append(f"{name}: {width} pixels wider than the window")
        target = shots / path.relative_to(site).with_suffix(".png")
        target.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(target))
    context.close()
    assert not wrong, "\n".join(wrong[:40])


@pytest.mark.parametrize(
    ("word", "expected"), [("RETAIN", "moving-vms"), ("AT_RISK", "monitor"), ("lockFile", "deploy")]
)
def test_the_search_finds_without_a_network(site: Path, browser: Any, word: str, expected: str) -> None:
    context = browser.new_context(offline=True, **MODES["wide"])
    page = context.new_page()
    page.goto((site / "index.html").as_uri())
    page.locator("input[name=q]").first.fill(word)
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results li a", timeout=30_000)
    found = page.eval_on_selector_all("#search-results li a", "links => links.map(one => one.getAttribute('href'))")
    context.close()
    assert any(expected in link for link in found), found
