"""The images of a split of YOLO: those of folders, or of text files that list them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from outtake.core.errors import DataRootError, PairingError
from outtake.core.printable_text import list_some
from outtake.data.foreign_names import find_file, find_tail, to_id
from outtake.data.list_pictures import is_picture, list_pictures
from outtake.data.name_lists import read_lines
from outtake.data.source import DataChoice, warn_of_data
from outtake.data.split_names import list_split_folders


@dataclass(frozen=True)
class SplitImages:
    """The images of a split.

    Attributes:
        where: The folder or list that says which they are, for messages.
        images: The file of each by its id.
        folders: The folders in which they lie; with their subfolders, unless it ``is_listed``.
        is_listed: Whether a text file chooses some of those in the folders.
        pictures_beside: The pictures in the folders that it does not choose.
        passed_over_line: One line about files that are no pictures; empty if there are none.
    """

    where: Path
    images: Mapping[str, Path]
    folders: Sequence[Path]
    is_listed: bool = False
    pictures_beside: Sequence[Path] = ()
    passed_over_line: str = ""

    def all_pictures(self) -> list[Path]:
        """Return the images and the pictures beside them."""
        return [*self.images.values(), *self.pictures_beside]


def find_label_place(image: Path, root: Path) -> Path:
    """Return where an image's text file is: in ``labels`` in place of the last ``images``.

    Args:
        image: The path of the image.
        root: The data set's folder, whose own path has no part in it.
    """
    fixed = len(root.parts) if image.is_relative_to(root) else 0
    parts = list(image.parts)
    found = [place for place in range(fixed, len(parts) - 1) if parts[place] == "images"]
    if found:
        parts[found[-1]] = "labels"
    return Path(*parts).with_suffix(".txt")


def list_split_images(places: Sequence[Path], split: str, folders: Sequence[Path]) -> SplitImages:
    """Return the images of the folders and lists of a split.

    An id is an image's path in the folder, or in the one that several have in common.

    Args:
        places: The folders and lists.
        split: The split.
        folders: The folders that entries of lists may be relative to, besides the list's own.

    Raises:
        DataRootError: A place is neither, or ``train`` has another split in it.
        PairingError: An entry of a list is not there, or two images have one name.
    """
    found = [
        _list_folder(place, split) if place.is_dir() else _read_list(place, folders)
        for place in places
    ]
    if len(found) == 1 and not found[0].is_listed:
        return found[0]
    paths = dict.fromkeys(path for each in found for path in each.images.values())
    is_listed = any(each.is_listed for each in found)
    below = (
        dict.fromkeys(path.parent for path in paths)
        if is_listed
        else dict.fromkeys(folder for each in found for folder in each.folders)
    )
    common = Path(os.path.commonpath([folder.absolute() for folder in below] or [places[0]]))
    images: dict[str, Path] = {}
    for path in paths:
        name = to_id(path.absolute().relative_to(common).as_posix())
        if name in images:
            raise PairingError(f"two images named {name!r}: {images[name]} and {path}; keep one")
        images[name] = path
    beside = (path for each in found for path in each.pictures_beside if path not in paths)
    lines = "; ".join(each.passed_over_line for each in found if each.passed_over_line)
    return SplitImages(places[0], images, [*below], is_listed, [*dict.fromkeys(beside)], lines)


def _list_folder(folder: Path, split: str) -> SplitImages:
    others = [each for other in ("val", "test") for each in list_split_folders(folder, other)]
    if split == "train" and others:
        raise DataRootError(
            f"train is {folder}, which has the folder {others[0].name} of another split in it: "
            "correct `train` in data.yaml, or rename the folder"
        )
    listed = list_pictures(folder)
    for name, kept, other in listed.repeated:
        raise PairingError(f"two images named {name!r}: {kept} and {other}; keep one")
    line = listed.describe_passed_over()
    return SplitImages(folder, listed.pictures, [folder], passed_over_line=line)


def _read_list(file: Path, folders: Sequence[Path]) -> SplitImages:
    if file.suffix.lower() != ".txt":
        raise DataRootError(f"{file} is neither a folder of images nor a text file that lists them")
    bases = tuple(dict.fromkeys((file.parent, *folders)))
    found: dict[str, Path | None] = {}
    moved: list[str] = []
    for line in read_lines(file):
        path = next(filter(None, (find_file(base, line) for base in bases)), None)
        if path is None:
            path = next(filter(None, (find_tail(base, line) for base in bases)), None)
            if path is not None:
                moved.append(line)
        found[line] = path
    if missing := [line for line, path in found.items() if path is None]:
        raise PairingError(
            f"{len(missing)} images that {file} lists are not there: {list_some(missing)}; add "
            "them, or correct the list, whose paths are relative to its own folder"
        )
    if moved:
        warn_of_data(
            f"{len(moved)} images that {file} lists are not where it says, as {moved[0]}, taken to "
            f"be {found[moved[0]]}",
            DataChoice,
        )
    paths = dict.fromkeys(path for path in found.values() if path is not None)
    below = dict.fromkeys(path.parent for path in paths)
    beside = [
        path
        for folder in below
        for path in sorted(folder.iterdir())
        if is_picture(path) and path not in paths
    ]
    return SplitImages(file, {str(path): path for path in paths}, [*below], True, beside)
