"""Read text files that name the images of a split, one a line."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from unicodedata import normalize

from outtake.core.errors import DataRootError


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file that are not empty, without the spaces around them.

    Raises:
        DataRootError: The file cannot be read.
    """
    try:
        # Editors of Windows put a mark of the encoding first.
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise DataRootError(
            f"cannot read the list {path}: {error.strerror or error}; restore it"
        ) from error
    except UnicodeDecodeError as error:
        raise DataRootError(
            f"cannot read the list {path}: {error}; save it as text in UTF-8"
        ) from error
    return [stripped for line in lines if (stripped := line.strip())]


def read_name_list(path: Path) -> list[str]:
    """Return the lines of a list, each once, with accents composed as in the names of images.

    Raises:
        DataRootError: The file cannot be read.
    """
    return list(dict.fromkeys(normalize("NFC", line) for line in read_lines(path)))


def choose_listed(lines: Collection[str], known: Collection[str]) -> list[str]:
    """Return the names that the lines of a list are, each once.

    A name may have spaces. Where a line is no name, its first word may be one, and further columns
    follow, as the class in those of Oxford-IIIT Pet.

    Args:
        lines: The lines.
        known: The names that there are.
    """
    words = ((line, line.split()[0]) for line in lines)
    found = (word if line not in known and word in known else line for line, word in words)
    return list(dict.fromkeys(found))
