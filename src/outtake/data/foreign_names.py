"""Find files by the names that a program of another machine wrote into a list or annotation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from unicodedata import normalize

from outtake.data.split_names import parse_split


def to_slashes(name: str) -> str:
    """Return a path as Windows or another system writes it with slashes, without a drive."""
    slashed = name.strip().replace("\\", "/")
    return slashed[2:] if slashed[1:2] == ":" and slashed[:1].isalpha() else slashed


def to_id(name: str) -> str:
    """Return the id of an image's file name: with slashes, composed accents and no extension."""
    return normalize("NFC", PurePosixPath(to_slashes(name)).with_suffix("").as_posix())


def find_file(folder: Path, name: str) -> Path | None:
    """Return the file of a name in a folder, also if it is spelt as on another system.

    Systems differ in the backslash, and in whether accents are composed.

    Args:
        folder: The folder.
        name: The name, which may be a path.
    """
    return next((path for path in _spell_paths(folder, name) if path.is_file()), None)


def find_place(folder: Path, name: str) -> Path | None:
    """Return the file or folder of a name in a folder, as :func:`find_file` does for files."""
    return next((path for path in _spell_paths(folder, name) if path.exists()), None)


def find_tail(folder: Path, name: str, split: str | None = None) -> Path | None:
    """Return what lies in a folder at the end of a path of another machine; None if nothing does.

    Of ``/content/set/images/train`` it is ``images/train``. The last part alone is too little: the
    folder ``images`` of one split is easily that of another.

    Args:
        folder: The folder.
        name: The path.
        split: The split that the path is of: a folder or list of its name is enough; None for one
            that is of no split.
    """
    parts = [each for each in PurePosixPath(to_slashes(name)).parts if each not in ("/", "..")]
    for start in range(len(parts)):
        alone = start == len(parts) - 1
        if alone and (split is None or parse_split(PurePosixPath(parts[-1]).stem) != split):
            return None
        if found := find_place(folder, "/".join(parts[start:])):
            return found
    return None


def _spell_paths(folder: Path, name: str) -> Iterator[Path]:
    slashed = to_slashes(name)
    spellings = (name, slashed, normalize("NFC", slashed), normalize("NFD", slashed))
    for each in dict.fromkeys(spellings):
        path = folder / each
        yield Path(os.path.normpath(path)) if ".." in path.parts else path
