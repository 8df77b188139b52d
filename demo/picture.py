"""Makes docs/pictures/demo.svg from a real run of the demo: `python -m demo.picture`.

Owns how the run becomes an animated SVG: rich draws each step, and one step after the other is shown. Nothing in it is
written by hand, and nothing is loaded from elsewhere. Where the reader wants no motion, one step is shown.
"""

from __future__ import annotations

import io
import re
import shutil
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from demo.__main__ import CREATE_LATENCY
from demo.steps import Demo
from local_aws import LocalAws, Settings
from local_aws.instances import DIRECTORY
from testing.picture import terminal

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "demo.svg"
WIDTH = 104
#: How long a step is shown, in seconds.
SHOWN = 7
#: The step that says most, for whoever wants no motion: an update fails and is rolled back.
STILL = "vm-105 is entitled, then another resource"
_STEP = re.compile(r"^(?=(?:\x1b\[[0-9;]*m)*\d+(?:\x1b\[[0-9;]*m)*\. )", re.MULTILINE)
_SIZE = re.compile(r'viewBox="0 0 ([0-9.]+) ([0-9.]+)"')


def main() -> None:
    """Run the demo and make the picture."""
    console = Console(record=True, width=WIDTH, force_terminal=True, color_system="truecolor", file=io.StringIO())
    with LocalAws(settings=Settings(create_latency=CREATE_LATENCY)) as aws:
        directory = DIRECTORY / f"{aws.name}-cdk"
        try:
            Demo(aws, directory, console).run()
        finally:
            shutil.rmtree(directory, ignore_errors=True)
    steps = cut(console.export_text(styles=True))
    PICTURE.write_text(animated(steps), encoding="utf-8")
    sys.stdout.write(f"{PICTURE}: {len(steps)} steps\n")


def cut(text: str) -> list[str]:
    """Return the steps of a run, each a text with ANSI colours.

    Raises:
        ValueError: there are none: the headings have another form.
    """
    steps = [step.strip("\n") for step in _STEP.split(text)[1:]]
    if not steps:
        raise ValueError("the run has no step that begins with a number")
    return steps


def animated(steps: list[str]) -> str:
    """Return an SVG that shows one text with ANSI colours after the other, for ever."""
    lines = max(len(Text.from_ansi(step).wrap(Console(width=WIDTH), WIDTH)) for step in steps)
    drawn = [_drawn(step, lines) for step in steps]
    size = _SIZE.search(drawn[0])
    still = next((number for number, step in enumerate(steps) if STILL in Text.from_ansi(step).plain), len(steps) - 1)
    if size is None:
        raise ValueError("rich's SVG has no viewBox")
    share = 100 / len(steps)
    style = (
        f".step {{ opacity: 0; animation: shown {len(steps) * SHOWN}s step-end infinite; }}\n"
        f"@keyframes shown {{ 0% {{ opacity: 1; }} {share:.3f}% {{ opacity: 0; }} }}\n"
        + "".join(f".step-{number} {{ animation-delay: {number * SHOWN}s; }}\n" for number in range(len(steps)))
        + f"@media (prefers-reduced-motion) {{ .step {{ animation: none; }} .step-{still} {{ opacity: 1; }} }}\n"
    )
    frames = "".join(f'<g class="step step-{number}">{each}</g>\n' for number, each in enumerate(drawn))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[1]} {size[2]}" role="img">\n'
        f"<title>The demo, step by step</title>\n<style>\n{style}</style>\n{frames}</svg>\n"
    )


def _drawn(step: str, lines: int) -> str:
    """Return one step as rich draws it, in so many lines."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), color_system="truecolor")
    text = Text.from_ansi(step)
    console.print(text)
    missing = lines - len(text.wrap(console, WIDTH))
    console.print("\n" * missing, end="")
    return terminal(console, "make demo")


if __name__ == "__main__":
    main()
