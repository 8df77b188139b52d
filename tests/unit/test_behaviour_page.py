"""docs/behaviour.md says what happens in each situation; docs/behaviour-tests.md names tests of each that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE, TESTS = ROOT / "docs" / "behaviour.md", ROOT / "docs" / "behaviour-tests.md"
#: What a row says where it has no test. The page may have so many of these rows and no more.
NO_TEST = "none yet"
MOST_WITHOUT = 0

_NAMED = re.compile(r"\[([\w/]+)\]\((\S+?)\)((?:[ ,]*`\w+`)*)")


def rows(page: Path) -> list[tuple[str, list[str]]]:
    """Return the section and the cells of each row of a page's sections."""
    section, found = "", []
    for line in page.read_text().splitlines():
        if line.startswith("## "):
            section = line
        elif section and line.startswith("| ") and not line.startswith("| situation |"):
            found.append((section, [cell.strip() for cell in line.strip("| ").split(" | ")]))
    return found


def test_each_row_has_a_situation_and_what_happens() -> None:
    assert len(rows(PAGE)) > 50
    wrong = [cells for _, cells in rows(PAGE) if len(cells) != 2 or not all(cells)]
    assert wrong == [], "a row of behaviour.md has a situation and what happens; its tests stand in behaviour-tests.md"


def test_each_situation_has_its_tests_in_the_same_section_and_order() -> None:
    assert [(section, cells[0]) for section, cells in rows(TESTS)] == [
        (section, cells[0]) for section, cells in rows(PAGE)
    ]


def test_each_named_test_exists() -> None:
    without = []
    for _, (situation, tests) in rows(TESTS):
        named = _NAMED.findall(tests)
        if not named:
            assert tests == NO_TEST, f"{situation}: names no test"
            without.append(situation)
        for name, path, functions in named:
            file = (TESTS.parent / path).resolve()
            assert file == ROOT / "tests" / f"{name}.py", f"{name} leads to {path}"
            assert functions or file.name == "test_aspects.py", f"{situation}: {name} names no test"
            text = file.read_text()
            for function in re.findall(r"`(\w+)`", functions):
                assert re.search(rf"def {function}\b", text), f"{function} is not in {path}"
    assert len(without) <= MOST_WITHOUT, without
