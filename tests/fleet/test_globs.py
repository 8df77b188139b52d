"""What globs match."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evs_fleet.globs import escape, matches, matches_folder

FOLDERS = [
    ("/DC0/vm/Windows/**", "/DC0/vm/Windows", True),
    ("/DC0/vm/Windows/**", "/DC0/vm/Windows/SQL/Prod", True),
    ("/DC0/vm/Windows/**", "/DC0/vm/Windows2", False),
    ("/DC0/vm/Windows", "/DC0/vm/Windows/SQL", False),
    ("/DC0/vm/Windows/", "/DC0/vm/Windows", True),
    ("/DC0/vm/*", "/DC0/vm/Windows", True),
    ("/DC0/vm/*", "/DC0/vm/Windows/SQL", False),
    ("/DC0/vm/*", "/DC0/vm", False),
    ("/*/vm/**/SQL", "/DC1/vm/SQL", True),
    ("/*/vm/**/SQL", "/DC1/vm/a/b/SQL", True),
    ("/*/vm/**/SQL", "/DC1/vm/a/b/MySQL", False),
    ("**", "/anything/at/all", True),
    ("/**", "/anything", True),
    ("**/SQL", "/a/b/SQL", True),
    ("/dc0/VM/windows", "/DC0/vm/Windows", True),
    ("/DC0/vm/Win?ows", "/DC0/vm/Windows", True),
    ("/DC0/vm?Windows", "/DC0/vm/Windows", False),
    ("Windows/**", "Windows/SQL", True),
]


@pytest.mark.parametrize(("glob", "folder", "expected"), FOLDERS)
def test_folders(glob: str, folder: str, expected: bool) -> None:
    assert matches_folder(glob, folder) is expected


NAMES = [
    ("sql*", "SQL01", True),
    ("sql*", "mysql", False),
    ("*sql*", "a/mysql/b", True),
    ("sql?", "sql1", True),
    ("sql?", "sql12", False),
    ("sql[0-4]", "sql3", True),
    ("sql[!0-4]", "sql3", False),
    ("sql[!0-4]", "sql7", True),
    ("sql[", "sql[", True),
    ("a.b", "axb", False),
    ("a+", "aa", False),
    ("sql[z-a]", "sql[z-a]", True),
    ("sql[?--]", "sql[?--]", True),
    ("sql[+--]", "sql,", True),
    ("[[]x]", "[x]", True),
    ("*", "two\nlines", True),
]


@pytest.mark.parametrize(("glob", "name", "expected"), NAMES)
def test_names(glob: str, name: str, expected: bool) -> None:
    assert matches(glob, name) is expected


@given(st.text(max_size=20), st.text(max_size=20))
def test_an_escaped_value_matches_itself_and_nothing_longer(value: str, more: str) -> None:
    assert matches(escape(value), value)
    assert not more or not matches(escape(value), value + more)


@given(st.text(alphabet="ab*?[]!-^/\\&~|", max_size=12), st.text(alphabet="ab/[", max_size=8))
def test_no_glob_is_an_error(glob: str, value: str) -> None:
    assert matches(glob, value) in (True, False)
    assert matches_folder(glob, value) in (True, False)
