"""The command's face: start-up, options, exit status."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from evs_fleet.cli import BROKEN_PIPE, COMMANDS, INTERRUPTED
from tests.fleet.exports import Machine, govc, machines
from tests.fleet.run import evs_entitlements, process, refused

HEAVY = {"aws_cdk", "jsii", "botocore", "boto3", "pyVmomi", "pyVim", "openpyxl", "rich", "pydantic", "urllib3"}
PROGRAM = """
import sys
from evs_fleet.cli import run

status = run(sys.argv[1:])
print(*sys.modules)
sys.exit(status)
"""


def modules_of(*arguments: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_help_imports_nothing_heavy() -> None:
    assert not modules_of("--help") & HEAVY


@pytest.mark.parametrize("name", ["init", "vms", "resolve"])
def test_help_of_a_command_imports_nothing_heavy(name: str) -> None:
    assert not modules_of(name, "--help") & HEAVY


def test_an_export_is_read_without_what_it_does_not_need(tmp_path: Path) -> None:
    path = tmp_path / "vms.json"
    path.write_text(govc(machines()))
    found = modules_of("--inventory", str(path), "--output", "ids", "vms")
    assert not found & (HEAVY - {"pydantic"})


def test_a_table_that_goes_to_a_file_is_drawn_without_rich(tmp_path: Path) -> None:
    path = tmp_path / "vms.json"
    path.write_text(govc(machines()))
    assert "rich" not in modules_of("--inventory", str(path), "vms")


def test_help_lists_every_command(tmp_path: Path) -> None:
    done = evs_entitlements("--help", cwd=tmp_path)
    assert done.status == 0
    for name in COMMANDS:
        assert f"\n  {name} " in done.out


def test_starts_in_half_a_second(tmp_path: Path) -> None:
    # The time of its processor, for the machine may be doing other things; it waits for nothing else.
    assert min(seconds(tmp_path) for _ in range(4)) < 0.5


def seconds(cwd: Path) -> float:
    began = os.times()
    assert process("--help", cwd=cwd).status == 0
    ended = os.times()
    return ended.children_user - began.children_user + ended.children_system - began.children_system


def test_the_lock_is_read_without_the_cdk() -> None:
    script = "import sys; from evs_entitlements.lock import EntitlementLock; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"aws_cdk", "jsii", "constructs"}


def test_the_package_has_its_public_names() -> None:
    import evs_entitlements

    assert {"EntitlementLock", "WindowsServerEntitlements"} <= set(dir(evs_entitlements))
    assert evs_entitlements.EntitlementLock.__module__ == "evs_entitlements.lock"
    assert not hasattr(evs_entitlements, "Nonsense")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--output", "xml", "vms"], ["--output", "'xml'", "table"]),
        (["nonsense"], ["nonsense"]),
        (["--nonsense"], ["--nonsense"]),
        (["vms", "--nonsense"], ["--nonsense", "vms --help"]),
        (["vms", "extra"], ["extra"]),
        (["vms", "--port", "0", "--host", "x"], ["--port", "0"]),
        (["resolve", "--price", "-1"], ["--price", "-1"]),
        (["vms", "--inventory"], ["--inventory"]),
        (["vms"], ["--inventory", "--host", "entitlements.toml"]),
    ],
)
def test_wrong_usage_is_one_line(tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    refused(evs_entitlements(*arguments, cwd=tmp_path), *words)


def test_without_a_command_the_help_is_shown_and_the_status_is_2(tmp_path: Path) -> None:
    done = evs_entitlements(cwd=tmp_path)
    assert done.status == 2
    assert "Commands:" in done.err


def test_version(tmp_path: Path) -> None:
    done = process("--version", cwd=tmp_path)
    assert done.status == 0
    assert done.out.startswith("evs-entitlements ")


def test_global_options_stand_before_or_after_the_command(tmp_path: Path) -> None:
    (tmp_path / "vms.json").write_text(govc(machines()))
    before = evs_entitlements("--inventory", "vms.json", "--output", "ids", "vms", cwd=tmp_path)
    after = evs_entitlements("vms", "--inventory", "vms.json", "--output", "ids", cwd=tmp_path)
    both = evs_entitlements("--output", "csv", "vms", "--inventory", "vms.json", "--output", "ids", cwd=tmp_path)
    assert before.out == after.out == both.out
    assert before.out.startswith("vm-")


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    many = [Machine(id=f"vm-{n}", name=f"vm{n}", uuid=str(n)) for n in range(5000)]
    (tmp_path / "vms.json").write_text(govc(many))
    command = [sys.executable, "-m", "evs_fleet", "--inventory", "vms.json", "--output", "json", "vms"]
    running = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert running.stdout
    assert running.stderr
    assert running.stdout.readline() == b"[\n"
    running.stdout.close()
    with running.stderr:
        assert running.stderr.read() == b""
    assert running.wait(timeout=60) == BROKEN_PIPE


def test_ctrl_c_is_quiet(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "vms.json")
    command = [sys.executable, "-m", "evs_fleet", "--inventory", "vms.json", "vms"]
    running = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    # Whoever opens the other end waits until the command reads it.
    with (tmp_path / "vms.json").open("w"):
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (INTERRUPTED, b"", b"")


def on_a_terminal(directory: Path, *arguments: str, **environment: str) -> str:
    """Return what the command prints where stdout and stderr are a terminal."""
    leader, follower = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    running = subprocess.Popen(
        [sys.executable, "-m", "evs_fleet", *arguments],
        cwd=directory,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**clean, "TERM": "xterm-256color", "COLUMNS": "120", **environment},
    )
    os.close(follower)
    parts = []
    # The terminal's end is an error to read from, on Linux.
    try:
        while part := os.read(leader, 4096):
            parts.append(part)
    except OSError:
        pass
    finally:
        os.close(leader)
        running.wait(timeout=60)
    return b"".join(parts).decode()


def test_colour_only_on_a_terminal_and_only_if_wanted(tmp_path: Path) -> None:
    (tmp_path / "vms.json").write_text(govc(machines()))
    arguments = ("--inventory", "vms.json", "vms")
    assert "\x1b[32m" in on_a_terminal(tmp_path, *arguments)
    assert "\x1b[32m" not in on_a_terminal(tmp_path, *arguments, NO_COLOR="1")
    assert "\x1b" not in process(*arguments, cwd=tmp_path).out
    assert "\x1b" not in on_a_terminal(tmp_path, *arguments, "--output", "json")


def test_a_narrow_terminal_folds_what_is_long_and_no_id(tmp_path: Path) -> None:
    name = "long" * 30
    (tmp_path / "vms.json").write_text(govc([Machine(id="vm-123456789", name=name)]))
    said = on_a_terminal(tmp_path, "--inventory", "vms.json", "vms", COLUMNS="70")
    said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said)
    assert "vm-123456789" in said
    assert name not in said
    assert max(map(len, said.splitlines())) <= 70
    assert "".join(said.split()).count("l") >= 30


def test_columns_stand_below_each_other_whatever_the_letters(tmp_path: Path) -> None:
    vms = [
        Machine(name="東京"),
        Machine(id="vm-58", name="abcd", uuid="58"),
        Machine(id="vm-59", name="süd1", uuid="59"),
    ]
    (tmp_path / "vms.json").write_text(govc(vms))
    lines = evs_entitlements("--inventory", "vms.json", "vms", cwd=tmp_path).out.splitlines()[2:5]
    places = {cell_len(line[: line.index("windows2019")]) for line in lines}
    assert len(places) == 1


def test_a_table_that_goes_to_a_file_is_never_cut(tmp_path: Path) -> None:
    name = "long" * 60
    (tmp_path / "vms.json").write_text(govc([Machine(name=name)]))
    assert name in process("--inventory", "vms.json", "vms", cwd=tmp_path, COLUMNS="40").out


def test_an_error_that_nobody_expected_is_one_line_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vms.json").write_text(govc(machines()))
    monkeypatch.setattr(json, "loads", lambda _text: 1 / 0)
    done = evs_entitlements("--inventory", "vms.json", "vms", cwd=tmp_path)
    assert (done.status, done.out) == (2, "")
    assert done.err == "error: unexpected ZeroDivisionError: division by zero\n"


@pytest.mark.parametrize(("shell", "word"), [("bash", "complete"), ("zsh", "compdef"), ("fish", "complete")])
def test_shell_completion(tmp_path: Path, shell: str, word: str) -> None:
    done = process(cwd=tmp_path, _EVS_ENTITLEMENTS_COMPLETE=f"{shell}_source")
    assert (done.status, done.err) == (0, "")
    assert word in done.out


def test_completion_knows_the_commands(tmp_path: Path) -> None:
    words = {"COMP_WORDS": "evs-entitlements res", "COMP_CWORD": "1"}
    done = process(cwd=tmp_path, _EVS_ENTITLEMENTS_COMPLETE="bash_complete", **words)
    assert done.out.split() == ["plain,resolve"]
