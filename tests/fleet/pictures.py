"""Makes the terminal pictures of the documentation from real runs: `python -m tests.fleet.pictures`.

Owns the small fleet that they show. Each command runs on a terminal of its own, against the vCenter of the tests; what
it prints there becomes docs/pictures/<name>.svg by rich's export, and goes to stdout as plain text for the pages.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from rich.console import Console
from rich.text import Text

from testing.picture import terminal
from tests.fleet.vcenter import Simulator, simulator

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
WIDTH = 112
POLICY = """environment = "env-abcde12345"
connector = "cnctr-abcde12345"

[vcenter]
host = "127.0.0.1"
port = {port}
ca_file = "{ca_file}"

[[include]]
folder = "/DC0/vm/Windows/**"

[[include]]
tag = "licence:aws"

[[exclude]]
name = "legacy*"
reason = "own licence, contract 4711"
"""
#: The simulator's name of a VM -> name, guest, vCPUs, folder.
FLEET = {
    "DC0_H0_VM0": ("sql01", "windows2019srv_64Guest", 8, "Windows/SQL"),
    "DC0_H0_VM1": ("sql02", "windows2019srv_64Guest", 8, "Windows/SQL"),
    "DC0_H0_VM2": ("ad01", "windows9Server64Guest", 2, "Windows"),
    "DC0_H0_VM3": ("legacy07", "windows9Server64Guest", 4, "Windows"),
    "DC0_H0_VM4": ("files01", "windows8Server64Guest", 2, "Windows"),
    "DC0_C0_RP0_VM0": ("web01", "rhel8_64Guest", 2, "Linux"),
    "DC0_C0_RP0_VM1": ("app01", "windows2019srvNext_64Guest", 4, "Apps"),
    "DC0_C0_RP0_VM2": ("app02", "windows2022srvNext_64Guest", 4, "Apps"),
    "DC0_C0_RP0_VM3": ("print01", "windows2019srv_64Guest", 2, "Windows"),
    "DC0_C0_RP0_VM4": ("build01", "windows2019srv_64Guest", 4, "Apps"),
}


def main() -> None:
    """Make all pictures."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, simulator(vms=5) as vcenter:
        at = Path(directory)
        ca_file = at / "vc-ca.pem"
        ca_file.write_bytes(vcenter.ca_file.read_bytes())
        (at / "entitlements.toml").write_text(POLICY.format(port=vcenter.port, ca_file=ca_file.name))
        furnish(vcenter)
        picture("vms", vcenter, at, "vms", "--folder", "/DC0/vm/Windows/**")
        picture("resolve-first", vcenter, at, "resolve")
        later(vcenter)
        picture("resolve", vcenter, at, "resolve")


def furnish(vcenter: Simulator) -> None:
    """Give the VMs their names, guests, sizes, folders and tags."""
    for was, (name, guest, vcpus, folder) in FLEET.items():
        vcenter.configure(was, guestId=guest)
        vcenter.configure(was, numCPUs=vcpus)
        vcenter.rename(was, name)
        vcenter.move([name], folder)
    vcenter.tag("licence", "aws", [vcenter.id("app01"), vcenter.id("web01")])


def later(vcenter: Simulator) -> None:
    """Let happen what happens to a fleet."""
    # The simulator finds a VM's files by the name that it had at first.
    vcenter.rename("sql02", "DC0_H0_VM1")
    vcenter.reregister("DC0_H0_VM1")
    vcenter.rename("DC0_H0_VM1", "sql02")
    vcenter.configure("sql02", numCPUs=8)
    vcenter.configure("sql02", guestId="windows2019srv_64Guest")
    vcenter.rename("print01", "print02")
    vcenter.configure("sql01", numCPUs=16)
    vcenter.move(["build01"], "Windows")
    vcenter.move(["ad01"], "Retired")


def picture(name: str, vcenter: Simulator, directory: Path, *arguments: str) -> None:
    """Run a command on a terminal; write what it printed as a picture, and as text to stdout."""
    printed = on_a_terminal(vcenter, directory, *arguments)
    console = Console(record=True, width=WIDTH, file=io.StringIO(), color_system="truecolor")
    command = " ".join(["evs-entitlements", *arguments])
    console.print(Text(f"$ {command}", style="bold"))
    console.print(Text.from_ansi(printed.rstrip()))
    (PICTURES / f"{name}.svg").write_text(terminal(console, command), encoding="utf-8")
    text = "\n".join(line.rstrip() for line in console.export_text().splitlines())
    sys.stdout.write(text + "\n\n")


def on_a_terminal(vcenter: Simulator, directory: Path, *arguments: str) -> str:
    """Return what a command prints on a terminal of WIDTH columns."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 60, WIDTH, 0, 0))
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    running = subprocess.Popen(
        [sys.executable, "-m", "evs_fleet", *arguments],
        cwd=directory,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**clean, **vcenter.environment, "TERM": "xterm-256color"},
    )
    os.close(follower)
    parts = []
    # The end of a terminal is an error to read from, on Linux.
    try:
        while part := os.read(leader, 4096):
            parts.append(part)
    except OSError:
        pass
    finally:
        os.close(leader)
        running.wait()
    text = b"".join(parts).decode().replace("\r\n", "\n")
    # The progress bar that was there for a moment.
    return text.rpartition("\x1b[2K")[2] if "\x1b[2K" in text else text


if __name__ == "__main__":
    main()
