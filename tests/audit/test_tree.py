"""Nothing in the tree is a secret, names the host of a package index, or a path of one machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
#: What must not be there. Put together from parts where this file would else hold it.
FORBIDDEN = {
    "access key of AWS": re.compile(r"\b(?:AKIA|ASIA)(?!IOSFODNN7EXAMPLE|NOBODY)[0-9A-Z]{16}\b"),
    "secret key of AWS": re.compile(
        r"""(?i)secret_?access_?key["']?\s*[=:]\s*["']?(?!\S*EXAMPLEKEY)[A-Za-z0-9/+]{40}\b"""
    ),
    "private key": re.compile("-----BEGIN [A-Z ]*" + "PRIVATE KEY-----"),
    "token": re.compile(
        r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{22,}|glpat-[\w-]{20}|xox[abpr]-[\w-]{10,}"
        r"|npm_[A-Za-z0-9]{36}|pypi-AgE[\w-]{20,})"
    ),
    "signature of an address": re.compile(r"X-Amz-Signature=[0-9a-f]{64}"),
    "host of a package index": re.compile(
        "|".join([r"\bpypi\." + "org", "python" + r"hosted\.org", "registry" + r"\.npm", r"\bnpmjs\." + "(?:org|com)"])
    ),
    "path of one machine": re.compile(
        r"(?<![\w.~:/-])(?:/(?:home/(?!runner\b)\w|root/|Users/\w|work/)|[A-Z]:\\Users\\)"
    ),
}
#: Long words that people make by chance only.
HIGH_ENTROPY = re.compile(r"""(?i)(?:password|passwd|secret|token|api_?key)["']?\s*[=:]\s*["']([\w/+=.-]{24,})["']""")


def findings(text: str) -> list[str]:
    """Return what of the forbidden is in a text."""
    found = [f"{what}: {match[0][:30]}" for what, pattern in FORBIDDEN.items() for match in pattern.finditer(text)]
    words = [match[1] for match in HIGH_ENTROPY.finditer(text)]
    random = [word for word in words if len({*word}) > 16 and any(each.isdigit() for each in word)]
    return [*found, *(f"like a secret: {word[:8]}" for word in random)]


def test_nothing_of_it_is_in_the_tree() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not in a clone of git")
    wrong = {}
    for name in listed.stdout.rstrip("\0").split("\0"):
        path = PROJECT / name
        if path.is_file() and path != Path(__file__):
            found = findings(path.read_bytes().decode(errors="replace"))
            if found:
                wrong[name] = found[:5]
    assert wrong == {}


@pytest.mark.parametrize(
    "text",
    [
        "AKIA" + "ABCDEFGHIJ234567",
        "aws_secret_access_key = " + "wJalrXUtnFEMI/K7MDENG/bPxRfiCYabcdefghij",
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        "ghp_" + "a1" * 18,
        "X-Amz-Signature=" + "0123456789abcdef" * 4,
        "https://pypi." + "org/simple",
        "resolved: " + "registry" + "." + "npm" + "js.org/x",
        "see /home/" + "somebody/project",
        "cd /root" + "/project",
        'password = "' + 'q8Zr2LxV7mNc4TbWk9HsYd1E"',
    ],
)
def test_it_would_be_found(text: str) -> None:
    assert findings(f"one\n{text}\ntwo\n")


@pytest.mark.parametrize(
    "text",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "password: str",
        'token = "EvsEntitlementsProviderServiceToken"',
        "docs/home/page.md",
        "https://docs.aws.amazon.com/home/x",
        "/home/runner",
    ],
)
def test_what_is_none_of_it(text: str) -> None:
    assert findings(text) == []
