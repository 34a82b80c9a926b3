"""Masks that lie in one folder for each object, as SAM 2 writes them: which of these count."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from outtake.core.errors import ConfigError
from outtake.masking.mask_picture import MASK_PICTURE_SUFFIXES
from outtake.video.read.inputs import natural_sort_key

# Names of objects; a folder of any other name may as well be of another clip.
_OBJECT_NAME = re.compile(r"(?:(?:obj|object|id|mask|instance|track)[ _-]?)?(\d+)", re.IGNORECASE)


def find_object_folders(
    folder: Path, ids: Sequence[int | str] | None = None
) -> tuple[Path, ...] | None:
    """Return the folders of a clip's objects, or those of them that are named.

    Args:
        folder: The folder in which they lie, or the only folder in it.
        ids: Their numbers or names; None for all of them.

    Returns:
        None where the folder holds something else.

    Raises:
        ConfigError: The folder holds folders of objects, and none is of such a number or name.
    """
    entries = list(folder.glob("[!.]*")) if folder.is_dir() else []
    folders = sorted((each for each in entries if each.is_dir()), key=natural_sort_key)
    if not folders or len(folders) < len(entries):
        return None
    if len(folders) == 1 and not _list_names(folders[0]):
        return find_object_folders(folders[0], ids)
    wanted = {str(each) for each in ids or ()}
    named = wanted & {each.name for each in folders}
    numbered = all(_OBJECT_NAME.fullmatch(each.name) for each in folders)
    names = [_list_names(each) for each in folders]
    alike = all(each & max(names, key=len) for each in names)
    if not alike or not (named or (numbered and len(folders) > 1)):
        return None
    chosen = [each for each in folders if ids is None or wanted & _known_as(each)]
    missing = wanted - {name for each in chosen for name in _known_as(each)}
    if missing:
        shown = ", ".join(each.name for each in folders)
        raise ConfigError(
            f"masks.ids={list(ids or ())}: {folder.name} has one folder for each object, and none "
            f"is {', '.join(sorted(missing))}; there are {shown}"
        )
    return tuple(chosen)


def list_object_masks(parent: Path) -> tuple[Path, ...]:
    """Return one picture for each frame, of the first object in a folder which has one.

    All objects count, because a frame without the chosen ones is a frame of the clip.
    """
    found: dict[str, Path] = {}
    for folder in sorted(filter(Path.is_dir, parent.glob("[!.]*")), key=natural_sort_key):
        for name in _list_names(folder):
            found.setdefault(name, folder / name)
    return tuple(sorted(found.values(), key=lambda path: natural_sort_key(Path(path.name))))


def _known_as(folder: Path) -> set[str]:
    number = _OBJECT_NAME.fullmatch(folder.name)
    return {folder.name, *([str(int(number[1]))] if number else [])}


def _list_names(folder: Path) -> set[str]:
    """Return the names of pictures in a folder of nothing else; none for any other folder."""
    entries = [each for each in folder.glob("[!.]*")]
    names = {
        each.name
        for each in entries
        if each.is_file() and each.suffix.lower() in MASK_PICTURE_SUFFIXES
    }
    return names if len(names) == len(entries) else set()
