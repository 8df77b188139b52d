"""Pictures of terminals for the pages, drawn by rich from what was printed.

Owns what is changed of rich's SVG: nothing is loaded from elsewhere, and no text is too faint on its ground. Never adds
or leaves out a word.
"""

import re

from rich.console import Console

#: The ground of rich's pictures.
GROUND = "#292929"
#: Colours of rich's terminal whose contrast on that ground is below 4.5:1 -> ones of the same hue that keep it.
BRIGHTER = {"#cc555a": "#e8858a", "#868887": "#a3a5a4"}
_FONT_FACES = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def terminal(console: Console, title: str) -> str:
    """Return what a recording console has printed, as an SVG.

    Args:
        console: one with `record=True`; it keeps its record.
        title: of the window.
    """
    # Any font that has letters of one width will do.
    svg = _FONT_FACES.sub("", console.export_svg(title=title, clear=False))
    for faint, bright in BRIGHTER.items():
        svg = svg.replace(faint, bright)
    return svg
