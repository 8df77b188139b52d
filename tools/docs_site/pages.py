"""Which files of the repository are pages of the site, and where their links lead there.

Owns the layout of the site's sources, and the navigation: it is what docs/README.md lists, in its order. Never changes
a file of the repository.

A link to a page leads to it. Where its words are a file's name, they become the page's heading. A link to another
file of the project leads to a copy of it. One to a folder without a README is no link any more. Code is left alone.
"""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: The page that lists all others, by section; it makes the navigation.
CONTENTS = Path("docs/README.md")
#: Pages at the top of the repository. README.md is where a reader begins.
AT_THE_TOP = {"README.md": "index.md"}
#: Where copies of files are that pages link to and that are no pages.
COPIES = Path("files")
_CODE_BLOCK = re.compile(r"^( *)(```+|~~~+).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
_SECTION = re.compile(r"^## +(.*)$", re.MULTILINE)
_FILE_NAME = re.compile(r"[\w./-]+\.md")
_HEADING = re.compile(r"^# +(.*)$", re.MULTILINE)
_ELSEWHERE = re.compile(r"[a-z]+:|#")


@dataclass(frozen=True)
class Section:
    """A part of the navigation: its heading, and pages by their names in the site, without `.md`."""

    heading: str
    pages: list[str]


class Pages:
    """The pages of a project."""

    def __init__(self, project: Path) -> None:
        self._project = project
        found = [*project.glob("*.md"), *project.glob("docs/**/*.md"), *project.glob("examples/**/*.md")]
        sources = sorted(path.relative_to(project) for path in found if "node_modules" not in path.parts)
        #: File of the repository -> file of the site's sources.
        self.by_source = {source: _place(source) for source in sources}
        #: Page of the site -> its heading, for links that a page of the repository names by its file.
        self._titles = {
            place: _heading((project / source).read_text(encoding="utf-8")) for source, place in self.by_source.items()
        }

    def stage(self, into: Path) -> None:
        """Write the sources of the site."""
        for source, page in self.by_source.items():
            text = (self._project / source).read_text(encoding="utf-8")
            target = into / page
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self._with_links(text, source, page, into), encoding="utf-8")
        index = into / "index.md"
        index.write_text(index.read_text(encoding="utf-8") + self._navigation(), encoding="utf-8")

    def sections(self) -> list[Section]:
        """Return the navigation: the sections of docs/README.md, and the pages that each links to."""
        text = (self._project / CONTENTS).read_text(encoding="utf-8")
        parts = _SECTION.split(text)[1:]
        seen = {Path("index.md")}
        sections = []
        for heading, body in zip(parts[::2], parts[1::2], strict=True):
            pages = []
            for _, _, target in links(body):
                page = self.by_source.get(_source(CONTENTS, target.partition("#")[0]))
                if page and page not in seen:
                    seen.add(page)
                    pages.append(page.with_suffix("").as_posix())
            sections.append(Section(heading.strip(), pages))
        return [section for section in sections if section.pages]

    def _navigation(self) -> str:
        parts = [
            "\n```{toctree}\n:hidden:\n:caption: " + f"{each.heading}\n\n" + "\n".join(each.pages) + "\n```\n"
            for each in self.sections()
        ]
        contents = self.by_source[CONTENTS].with_suffix("").as_posix()
        return "".join(parts) + f"\n```{{toctree}}\n:hidden:\n\n{contents}\n```\n"

    def _with_links(self, text: str, source: Path, page: Path, into: Path) -> str:
        def replaced(link: re.Match[str]) -> str:
            picture, words, target = link.groups()
            if _ELSEWHERE.match(target):
                return link.group()
            path, mark, anchor = target.partition("#")
            file = _source(source, path)
            if (self._project / file).is_dir():
                file /= "README.md"
            there = self.by_source.get(file)
            if there is None and (self._project / file).is_file():
                there = COPIES / file if not picture else _place(file)
                (into / there).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self._project / file, into / there)
            if there is None:
                return words
            new = Path(os.path.relpath(there, page.parent)).as_posix()
            if _FILE_NAME.fullmatch(words) and there in self._titles:
                words = self._titles[there]
            return f"{picture}[{words}]({new}{mark}{anchor})"

        return "".join(_shown(part) if is_code else _LINK.sub(replaced, part) for part, is_code in _parts(text))


def links(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield the links of a page outside of its code: `!` of a picture, words, target."""
    for part, is_code in _parts(text):
        if not is_code:
            for link in _LINK.finditer(part):
                yield link.group(1), link.group(2), link.group(3)


def _parts(text: str) -> Iterator[tuple[str, bool]]:
    """Cut a text into code blocks and what is between them."""
    end = 0
    for block in _CODE_BLOCK.finditer(text):
        yield text[end : block.start()], False
        yield block.group(), True
        end = block.end()
    yield text[end:], False


def _heading(text: str) -> str:
    found = _HEADING.search(text)
    if found is None:
        raise ValueError(f"a page without a heading: {text[:80]!r}")
    return found[1].strip()


def _shown(block: str) -> str:
    """Return a code block in a language that the site knows: GitHub draws Mermaid, the site shows its text."""
    return block.replace("```mermaid", "```text", 1)


def _place(source: Path) -> Path:
    """Return where a file of the repository is in the site."""
    if source.as_posix() in AT_THE_TOP:
        return Path(AT_THE_TOP[source.as_posix()])
    if source == CONTENTS:
        return Path("all-pages.md")
    if source.parts[0] == "docs":
        return Path(*source.parts[1:])
    if source.name == "README.md":
        # examples/README.md -> examples/index.md, examples/python/README.md -> examples/python.md
        return Path("examples/index.md") if len(source.parts) == 2 else source.parent.with_suffix(".md")
    return source.with_name(source.name.lower())


def _source(page: Path, target: str) -> Path:
    """Return the file of the project that a link of `page` means."""
    return Path(os.path.normpath(page.parent / target)) if target else page
