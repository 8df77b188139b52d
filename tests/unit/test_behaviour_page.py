"""docs/behaviour.md: each row names tests, and each named test exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "behaviour.md"
#: What a row says where it has no test. The page may have so many of these rows and no more.
NO_TEST = "none yet"
MOST_WITHOUT = 2

_NAMED = re.compile(r"\[([\w/]+)\]\((\S+?)\)((?:[ ,]*`\w+`)*)")


def rows() -> list[list[str]]:
    """Return the cells of each row."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and "situation |" not in line]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]


def test_each_row_has_a_situation_what_happens_and_tests() -> None:
    assert len(rows()) > 50
    assert all(len(row) == 3 and all(row) for row in rows()), [row for row in rows() if len(row) != 3]


def test_each_named_test_exists() -> None:
    without = []
    for situation, _, tests in rows():
        named = _NAMED.findall(tests)
        if not named:
            assert tests == NO_TEST, f"{situation}: names no test"
            without.append(situation)
        for name, path, functions in named:
            file = (PAGE.parent / path).resolve()
            assert file == ROOT / "tests" / f"{name}.py", f"{name} leads to {path}"
            assert functions or file.name == "test_aspects.py", f"{situation}: {name} names no test"
            text = file.read_text()
            for function in re.findall(r"`(\w+)`", functions):
                assert re.search(rf"def {function}\b", text), f"{function} is not in {path}"
    assert len(without) <= MOST_WITHOUT, without
