"""Text of any origin made safe to print and to draw: names of files may hold any bytes."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

_UNKNOWN = "?"


def to_printable(text: str) -> str:
    """Replace what a terminal would obey or cannot show by question marks.

    These are control characters and bytes of a file's name that are no text.
    """
    return "".join(each if each.isprintable() else _UNKNOWN for each in text)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, at most 120 characters; its class if empty."""
    text = str(error).strip().partition("\n")[0][:120]
    return text or type(error).__name__


def list_some(names: Sequence[str], most: int = 3) -> str:
    """Return the first names, and how many more there are: ``a, b, c and 5 more``."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def to_drawable(text: str) -> str:
    """Return a text in the characters that OpenCV's fonts have, printable ASCII.

    Letters lose their accents; what has no plain letter becomes a question mark. OpenCV itself
    ends the process at bytes that are no text.
    """
    if text.isascii() and text.isprintable():
        return text
    parts = unicodedata.normalize("NFKD", to_printable(text))
    bare = (each for each in parts if not unicodedata.combining(each))
    return "".join(each if each.isascii() else _UNKNOWN for each in bare)
