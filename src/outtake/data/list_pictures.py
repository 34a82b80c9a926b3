"""List the picture files of a folder; what lies beside them is counted, not passed over."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unicodedata import normalize

from outtake.data.decode_files import IMAGE_SUFFIXES

# Files that accompany pictures and that nobody takes for one.
_COMPANIONS = frozenset(
    {".csv", ".db", ".html", ".ini", ".ipynb", ".json", ".log", ".md", ".pdf", ".py", ".sh", ".tar"}
    | {".tgz", ".toml", ".txt", ".xml", ".yaml", ".yml", ".zip"}
)
_CHECKPOINTS = ".ipynb_checkpoints"
_NEEDED = {".heic": "needs `pip install pillow-heif`", ".heif": "needs `pip install pillow-heif`"}


@dataclass
class PictureList:
    """The pictures of a folder and its subfolders, symbolic links to folders included.

    Attributes:
        folder: The folder.
        pictures: Each file by its path under the folder without extension, with accents composed.
        repeated: Files of a name that another has already: (name, the one kept, the other).
        passed_over: How many files were left out, by the reason, with one of them.
    """

    folder: Path
    pictures: dict[str, Path] = field(default_factory=dict)
    repeated: list[tuple[str, Path, Path]] = field(default_factory=list)
    passed_over: dict[str, tuple[int, str]] = field(default_factory=dict)

    def describe_passed_over(self) -> str:
        """Return one line about what was left out, or nothing."""
        if not self.passed_over:
            return ""
        parts = (
            f"{count} {reason} (as {example})"
            for reason, (count, example) in sorted(self.passed_over.items())
        )
        return f"left out in {self.folder}: {'; '.join(parts)}"


def list_pictures(folder: Path) -> PictureList:
    """List the files of a folder that can be decoded, in the order of their paths."""
    found = PictureList(folder)
    counts: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for path in sorted(walk_files(folder)):
        reason = _reason_to_pass_over(path, folder)
        if reason is None:
            name = normalize("NFC", path.relative_to(folder).with_suffix("").as_posix())
            if name in found.pictures:
                found.repeated.append((name, found.pictures[name], path))
            found.pictures.setdefault(name, path)
        elif reason:
            counts[reason] += 1
            examples.setdefault(reason, path.relative_to(folder).as_posix())
    found.passed_over = {reason: (count, examples[reason]) for reason, count in counts.items()}
    return found


def list_other_pictures(folder: Path, known: Collection[Path], *, beside: bool) -> list[str]:
    """Return the pictures below a folder that are not of these files, by their paths under it.

    Args:
        folder: The folder.
        known: The files.
        beside: Return those alone that lie beside one of the files: other folders in the root of a
            data set may be of masks or previews.
    """
    parents = {path.parent for path in known}
    found = list_pictures(folder)
    files = [*found.pictures.values(), *(other for _, _, other in found.repeated)]
    return [
        path.relative_to(folder).as_posix()
        for path in files
        if path not in known and (path.parent in parents or not beside)
    ]


def contains_pictures(folder: Path) -> bool:
    """Return whether a folder itself, not a subfolder, holds a picture."""
    return folder.is_dir() and any(map(is_picture, folder.iterdir()))


def is_picture(path: Path) -> bool:
    """Return whether a path has the ending of a picture and is not hidden."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def walk_files(folder: Path, seen: frozenset[tuple[int, int]] = frozenset()) -> Iterator[Path]:
    """Yield all files below a folder, links to folders included.

    Args:
        folder: The folder.
        seen: The folders that it lies in: a link that leads back to one of them ends there.
    """
    status = folder.stat()
    key = (status.st_dev, status.st_ino)
    if key in seen:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            path = folder / entry.name
            if entry.is_dir():
                yield from walk_files(path, seen | {key})
            else:
                yield path


def _reason_to_pass_over(path: Path, folder: Path) -> str | None:
    """Return None for a picture, a reason that is worth a line, or nothing at all."""
    suffix = path.suffix.lower()
    is_picture = suffix in IMAGE_SUFFIXES
    parents = path.relative_to(folder).parts[:-1]
    if _CHECKPOINTS in parents:
        return f"copies in {_CHECKPOINTS}" if is_picture else ""
    if path.name.startswith("."):
        return ""
    if hidden := [part for part in parents if part.startswith(".") or part == "__MACOSX"]:
        return f"files in the hidden folder {hidden[0]}" if is_picture else ""
    if is_picture:
        return None if path.is_file() else "links to files that do not exist"
    if not suffix or suffix in _COMPANIONS:
        return ""
    return f"{suffix} files, which {_NEEDED.get(suffix, 'cannot be read')}"
