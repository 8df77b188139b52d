"""docs/behaviour.md: each row names tests, and each named test exists."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "behaviour.md"


def test_each_row_names_tests_that_exist():
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and "situation |" not in line]
    assert len(rows) > 30
    for row in rows:
        cell = row.rstrip(" |").rpartition(" | ")[2]
        parts = re.findall(r"\[(\w+)\]\((\S+?)\)((?:[ ,]*`\w+`)*)", cell)
        assert parts, row
        for name, path, named in parts:
            file = PAGE.parent / path
            assert file.stem == name
            text = file.read_text()
            for test in re.findall(r"`(\w+)`", named):
                assert f"def {test}(" in text, f"{test} is not in {path}"
