"""What lies in a folder that a page may look into: folders, clips and projects."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from outtake.core.errors import ConfigError
from outtake.labelled_video.project_folder import PROJECT_FILE
from outtake.video.read.inputs import IMAGE_SUFFIXES, VIDEO_SUFFIXES, natural_sort_key

Kind = Literal["folder", "pictures", "project", "clip", "picture"]
MOST = 2000
_MOST_LOOKED_AT = 20_000


@dataclass(frozen=True)
class Entry:
    """Something that can be opened, or looked into.

    Attributes:
        name: Its name.
        path: Where it is.
        kind: What it is; ``pictures`` is a folder that holds some.
        size: Its bytes; None for a folder.
    """

    name: str
    path: Path
    kind: Kind
    size: int | None = None


def list_files(folder: Path, roots: Sequence[Path]) -> tuple[list[Entry], int]:
    """Return what can be opened in a folder, and how much else there is.

    Hidden files, links that lead out of the roots, and names that are no text are left out.

    Args:
        folder: A folder below a root, resolved.
        roots: The folders that may be looked into.

    Raises:
        ConfigError: It cannot be read.
    """
    found: list[Entry] = []
    others = 0
    allowed = [root.resolve() for root in roots]
    try:
        with os.scandir(folder) as entries:
            for place, entry in enumerate(entries):
                if place >= _MOST_LOOKED_AT:
                    others += 1
                    break
                known = _describe(entry, allowed)
                if known is None or len(found) >= MOST:
                    others += not entry.name.startswith(".")
                else:
                    found.append(known)
    except OSError as error:
        raise ConfigError(f"{folder.name}: cannot be read ({error.strerror})") from error
    order = ("project", "folder", "pictures", "clip", "picture")
    found.sort(key=lambda each: (order.index(each.kind), natural_sort_key(Path(each.name))))
    return found, others


def _describe(entry: os.DirEntry[str], roots: Sequence[Path]) -> Entry | None:
    if entry.name.startswith(".") or not entry.name.isprintable():
        return None
    path = Path(entry.path)
    try:
        if entry.is_symlink() and not _leads_below(path, roots):
            return None
        if entry.is_dir():
            return Entry(entry.name, path, _kind_of_folder(path))
        suffix = path.suffix.lower()
        if suffix in VIDEO_SUFFIXES:
            return Entry(entry.name, path, "clip", entry.stat().st_size)
        if suffix in IMAGE_SUFFIXES:
            return Entry(entry.name, path, "picture", entry.stat().st_size)
    except OSError:
        pass
    return None


def _leads_below(path: Path, roots: Sequence[Path]) -> bool:
    target = path.resolve()
    return any(target.is_relative_to(root) for root in roots)


def _kind_of_folder(path: Path) -> Kind:
    if (path / PROJECT_FILE).is_file():
        return "project"
    with os.scandir(path) as entries:
        for place, entry in enumerate(entries):
            if Path(entry.name).suffix.lower() in IMAGE_SUFFIXES and entry.is_file():
                return "pictures"
            if place > 100:
                break
    return "folder"
