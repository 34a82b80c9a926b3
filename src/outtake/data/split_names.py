"""Tell of which split a folder or file is by its name, in any of the usual spellings."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
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
# As train2017, Train_set, val-split; not train_0001, which is one recording of many.
_USUAL = re.compile(rf"({_WORDS})([-_ ]?(set|split))?([-_ ]?(19|20)\d{{2}})?", re.IGNORECASE)
_FIRST_WORD = re.compile(_WORDS, re.IGNORECASE)


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


def is_undivided(folder: Path, is_labelled: Callable[[Path], bool] = lambda _: True) -> bool:
    """Return whether all pictures of a folder are ``train``: no subfolder has a split's name.

    Args:
        folder: The folder.
        is_labelled: Whether a picture would be trained on; by default all would.

    Raises:
        DataRootError: It holds pictures beside such a subfolder, whose own would be trained on,
            or pictures of ``val`` or ``test`` farther below, or in a subfolder whose name only
            begins as one of those.
    """
    if not folder.is_dir():
        return True
    with os.scandir(folder) as entries:
        below = sorted(folder / entry.name for entry in entries if entry.is_dir())
    divided = next((path for path in below if parse_split(path.name)), None)
    if divided is not None and contains_pictures(folder):
        raise DataRootError(
            f"{folder} holds pictures beside the folder {divided.name}, which is a split: move "
            "those of train, with their masks or annotations, into folders train, or rename "
            f"{divided.name}"
        )
    if divided is not None:
        return False

    def is_trained_on(path: Path) -> bool:
        return any(map(is_labelled, list_pictures(path).pictures.values()))

    for path in below:
        if _may_be_held_out(path.name) and is_trained_on(path):
            raise DataRootError(
                f"the folder {path} may be a split and would be trained on, as all of {folder} "
                "would; rename it to val or test, or so that no such word comes first"
            )
    for deeper in _list_deeper_splits(folder):
        if is_trained_on(deeper):
            raise DataRootError(
                f"the folder {deeper} is a split and would be trained on, as all of {folder} "
                f"would; give {deeper.parent} as the folder of the data set, or rename "
                f"{deeper.name}"
            )
    return True


def _may_be_held_out(name: str) -> bool:
    """Return whether a name begins with a word for val or test: test-dev, valImages, not tester."""
    found = _FIRST_WORD.match(name)
    if found is None or _SPLIT_OF[found[0].lower()] == "train":
        return False
    rest = name[found.end() :]
    # A capital begins another word, but not in TESTBED.
    return not rest[:1].isalpha() or (rest[0].isupper() and not found[0].isupper())


def _list_deeper_splits(folder: Path) -> Iterator[Path]:
    """Yield the folders at any depth that are of val or test."""
    for parent, names, _ in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith((".", "__MACOSX")))
        yield from (Path(parent, name) for name in names if parse_split(name) in ("val", "test"))
