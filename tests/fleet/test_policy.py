"""A policy that is wrong: file, line and table are named, and what is due."""

from pathlib import Path

import pytest

from evs_fleet.errors import PolicyError
from evs_fleet.policy import load

HEAD = 'environment = "env-abcde12345"\n'
INCLUDE = '[[include]]\nname = "*"\n'

WRONG: dict[str, tuple[str, list[str]]] = {
    "no include": (HEAD, ["entitlements.toml", "include is missing"]),
    "an empty list": (HEAD + "include = []\n", ["entitlements.toml:2", "[[include]] or more"]),
    "no environment": (INCLUDE, ["environment is missing"]),
    "a wrong environment": ('environment = "env-1"\n' + INCLUDE, [":1: environment", "'env-1'", "env- and 10"]),
    "a wrong connector": (HEAD + 'connector = "x"\n' + INCLUDE, [":2: connector", "'x'", "cnctr- and 10"]),
    "an unknown key": (HEAD + "colour = 1\n" + INCLUDE, [":2: colour: unknown key", "environment, connector"]),
    "an unknown key of an include": (
        HEAD + INCLUDE + '[[include]]\n\nfolders = "/a"\n',
        [":6: [[include]] 2: folders: unknown key", "folder, name, tag"],
    ),
    "an unknown table": (HEAD + INCLUDE + '[vcentre]\nhost = "x"\n', [":4: vcentre: unknown key", "vcenter"]),
    "an include that says nothing": (HEAD + "[[include]]\n", [":2: [[include]] 1: needs at least one of folder, name"]),
    "no reason": (HEAD + INCLUDE + '[[exclude]]\nname = "x"\n', [":4: [[exclude]] 1: reason is missing"]),
    "a blank reason": (
        HEAD + INCLUDE + '[[exclude]]\nname = "x"\nreason = " "\n',
        [":6: [[exclude]] 1: reason", "in words"],
    ),
    "an exclude that says nothing": (HEAD + INCLUDE + '[[exclude]]\nreason = "x"\n', [":4: [[exclude]] 1: needs"]),
    "a tag without category": (
        HEAD + '[[include]]\ntag = "aws"\n',
        [":3: [[include]] 1: tag", "'aws'", "category:tag"],
    ),
    "a number for a name": (HEAD + "[[include]]\nname = 5\n", [":3: [[include]] 1: name", "5", "string"]),
    "an empty glob": (HEAD + '[[include]]\nname = ""\n', [":3: [[include]] 1: name"]),
    "an attribute that is a string": (HEAD + '[[include]]\nattribute = "x"\n', [":3: [[include]] 1: attribute"]),
    "an attribute of numbers": (
        HEAD + "[[include]]\nattribute = {Owner = 5}\n",
        [":3: [[include]] 1: attribute: Owner"],
    ),
    "a port that is none": (HEAD + INCLUDE + '[vcenter]\nhost = "x"\nport = 0\n', [":6: [vcenter]: port", "65535"]),
    "no host": (HEAD + INCLUDE + "[vcenter]\nport = 443\n", [":4: [vcenter]: host is missing"]),
    "a password": (
        HEAD + INCLUDE + '[vcenter]\nhost = "x"\npassword = "y"\n',
        [":6: [vcenter]: password: unknown key"],
    ),
    "include as a table": (HEAD + '[include]\nname = "x"\n', [":2: include", "list"]),
    "broken TOML": (HEAD + "[[include]\n", [":2: not TOML"]),
    "broken TOML at the end": (HEAD + 'x = "', ["entitlements.toml:2: not TOML"]),
    "a key twice": (HEAD + HEAD + INCLUDE, ["not TOML"]),
    "an inner key": (HEAD + 'path = "x"\n' + INCLUDE, [":2: path: unknown key"]),
    "an empty file": ("", ["environment is missing", "include is missing"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(tmp_path: Path, case: str) -> None:
    text, words = WRONG[case]
    path = tmp_path / "entitlements.toml"
    path.write_text(text)
    with pytest.raises(PolicyError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    for word in words:
        assert word in message
    assert "\n" not in message


def test_all_errors_are_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "entitlements.toml"
    path.write_text('environment = "x"\n[[include]]\nnam = "a"\n[[exclude]]\nname = "b"\n')
    with pytest.raises(PolicyError) as caught:
        load(path)
    for place in (":1: environment", ":3: [[include]] 1: nam", ":4: [[exclude]] 1: reason"):
        assert place in str(caught.value)


def test_a_file_that_is_not_there_and_a_directory(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"none\.toml: no such file; `evs-entitlements init`"):
        load(tmp_path / "none.toml")
    with pytest.raises(PolicyError, match="can't be read: Is a directory"):
        load(tmp_path)


def test_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "entitlements.toml"
    path.write_bytes((HEAD + INCLUDE).encode("utf-16"))
    with pytest.raises(PolicyError, match="not UTF-8"):
        load(path)


def test_a_byte_order_mark_and_line_ends_of_windows(tmp_path: Path) -> None:
    path = tmp_path / "entitlements.toml"
    path.write_bytes((HEAD + INCLUDE).replace("\n", "\r\n").encode("utf-8-sig"))
    assert load(path).environment == "env-abcde12345"


def test_what_a_policy_has(tmp_path: Path) -> None:
    path = tmp_path / "entitlements.toml"
    path.write_text(
        HEAD + 'connector = "cnctr-abcde12345"\n[vcenter]\nhost = "vc01"\nca_file = "ca.pem"\n[[include]]\n'
        'folder = "/a/**"\nname = "sql*"\n[[include]]\ntag = "licence:aws"\nattribute = {"Owner" = "x*"}\n'
        '[[exclude]]\nid = "vm-1"\nreason = "ours"\n'
    )
    policy = load(path)
    assert policy.vcenter is not None
    assert (policy.vcenter.host, policy.vcenter.port, policy.vcenter.ca_file) == ("vc01", 443, "ca.pem")
    assert policy.include[0].given == {"folder": "/a/**", "name": "sql*"}
    assert policy.include[1].given == {"tag": "licence:aws", "attribute": {"Owner": "x*"}}
    assert policy.exclude[0].reason == "ours"
    assert policy.uses("tag")
    assert not policy.uses("cluster")
    assert policy.place("include", 1) == f"{path}:9: [[include]] 2"
