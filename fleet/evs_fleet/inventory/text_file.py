"""Text of an export, in whatever encoding its tool or Excel wrote it.

Owns the encodings that are known. Never guesses a code page: a name that is read wrongly matches no glob.
"""

import codecs
from pathlib import Path

from evs_fleet.errors import InventoryError

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def decode(path: Path, content: bytes) -> str:
    """Return the text of a file in UTF-8 or UTF-16, with or without a byte order mark.

    Raises:
        InventoryError: it is in neither.
    """
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), None) or _unmarked(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise InventoryError(f"{path}: neither UTF-8 nor UTF-16 text; save it as CSV UTF-8") from error
    if "\0" in text:
        raise InventoryError(f"{path}: not a text file, nor an Excel one")
    return text


def _unmarked(content: bytes) -> str:
    # Headings and brackets are ASCII: of each two bytes of UTF-16 one is zero.
    beginning = content[:2]
    if beginning[:1] == b"\0":
        return "utf-16-be"
    return "utf-16-le" if beginning[1:] == b"\0" else "utf-8"
