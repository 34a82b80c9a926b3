"""Tell of which split a folder or file is by its name, in any of the usual spellings."""

from __future__ import annotations

import os
import re
from pathlib import Path

from outtake.core.errors import DataRootError
from outtake.data.list_pictures import contains_pictures, list_pictures

SPLIT_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
_SPLIT_OF = {name: split for split, names in SPLIT_NAMES.items() for name in names}
_WORDS = "|".join(sorted(_SPLIT_OF, key=len, reverse=True))
# As train2017, Train_set, val-split.
_USUAL = re.compile(rf"({_WORDS})([-_ ]?(set|split))?([-_ ]?\d{{4}})?", re.IGNORECASE)
# As test-dev, train1, trainImages; not values or tester.
_SIMILAR = re.compile(rf"(?i:{_WORDS})(?![a-z])")


def parse_split(name: str) -> str | None:
    """Return the split that a name is of: ``val`` of Validation and val2017; None of any other."""
    found = _USUAL.fullmatch(name.strip())
    return None if found is None else _SPLIT_OF[found[1].lower()]


def list_split_folders(parent: Path, split: str) -> list[Path]:
    """Return the subfolders that are of a split, those of its plain name first."""
    if not parent.is_dir():
        return []
    found = (path for path in parent.iterdir() if parse_split(path.name) == split)
    words = SPLIT_NAMES[split]
    return sorted(
        (path for path in found if path.is_dir()),
        key=lambda path: (
            words.index(path.name) if path.name in words else len(words),
            path.name,
        ),
    )


def find_split_folder(parent: Path, split: str) -> Path | None:
    """Return the subfolder of a split, by any of its usual names; None if there is none.

    Raises:
        DataRootError: There are several.
    """
    found = list_split_folders(parent, split)
    if len(found) > 1:
        raise DataRootError(
            f"{parent} has several folders of the split {split}: "
            f"{', '.join(path.name for path in found)}; keep one, and move the others away or "
            "into it"
        )
    return found[0] if found else None


def is_undivided(folder: Path) -> bool:
    """Return whether all pictures of a folder are ``train``: no subfolder has a split's name.

    Raises:
        DataRootError: It holds pictures beside such a subfolder, whose own would be trained on,
            or a subfolder with pictures whose name begins as a split's and is none, or one of a
            split farther below.
    """
    if not folder.is_dir():
        return True
    below = sorted(path for path in folder.iterdir() if path.is_dir())
    divided = next((path for path in below if parse_split(path.name)), None)
    if divided is not None and contains_pictures(folder):
        raise DataRootError(
            f"{folder} holds pictures beside the folder {divided.name}, which is a split: move "
            "those of train, with their masks or annotations, into folders train, or rename "
            f"{divided.name}"
        )
    if divided is not None:
        return False
    for path in below:
        if _SIMILAR.match(path.name) and list_pictures(path).pictures:
            raise DataRootError(
                f"the folder {path} may be a split and would be trained on, as all of {folder} "
                "would; rename it to train, val or test, or so that no such word comes first"
            )
    if (deeper := _find_deeper_split(folder)) is not None:
        raise DataRootError(
            f"the folder {deeper} is a split and would be trained on, as all of {folder} would; "
            f"give {deeper.parent} as the folder of the data set, or rename {deeper.name}"
        )
    return True


def _find_deeper_split(folder: Path) -> Path | None:
    for parent, names, _ in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith((".", "__MACOSX")))
        for name in names:
            path = Path(parent, name)
            if parse_split(name) and list_pictures(path).pictures:
                return path
    return None
