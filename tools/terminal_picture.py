"""Runs a command and writes what it prints as an SVG picture of a terminal, for the documentation.

Usage: `python tools/terminal_picture.py <file.svg> <command> [argument ...]`. It is of a real run, whatever its exit
status, and loads nothing from elsewhere.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

#: Characters in a line.
COLUMNS = int(os.environ.get("COLUMNS", "120"))
_FOREIGN = re.compile(r"@font-face \{.*?\}\s*|<!-- Generated with .*?-->\s*", re.DOTALL)


def main() -> int:
    """Run the command and write the picture."""
    path, *command = sys.argv[1:]
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    done = subprocess.run(  # noqa: S603
        command, env=environment, text=True, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor")
        console.print(Text(f"$ {shlex.join(command)}", style="bold"))
        for line in (done.stdout + done.stderr).splitlines():
            console.print(Text.from_ansi(line.rstrip()))
        picture = console.export_svg(title=Path(command[0]).name, unique_id=Path(path).stem)
    text = _FOREIGN.sub("", picture).replace("Fira Code, monospace", "monospace")
    Path(path).write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
