"""Find the files of COCO and the folders of their images, as different tools lay them out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from outtake.data.foreign_names import find_file
from outtake.data.split_names import list_split_folders, parse_split

_ROBOFLOW = "_annotations.coco.json"
# What tools put around the split in the name of a file.
_AFFIXES = {"instances", "annotations", "annotation", "coco", "default"}
_GENERAL = ("annotations/instances_default.json", "annotations.json")

FILE_LAYOUTS = (
    f"train/{_ROBOFLOW}, annotations/instances_train2017.json, annotations/train.json, train.json, "
    f"{', '.join(_GENERAL)}"
)


def find_split_files(root: Path, split: str) -> list[Path]:
    """Return the files that are named after a split, the one that counts first.

    That of Roboflow comes before others, a later year before an earlier one, and those in
    ``annotations`` before those in the root.
    """
    of_roboflow = (folder / _ROBOFLOW for folder in list_split_folders(root, split))
    found = [path for path in of_roboflow if path.is_file()]
    for folder in (root / "annotations", root):
        there = [path for path in folder.glob("*.json") if _split_of(path) == split]
        found += sorted(there, key=lambda path: (not path.stem.startswith("instances_"), path.name))
    roboflow = {path for path in found if path.name == _ROBOFLOW}
    return sorted(found, key=lambda path: (path not in roboflow, -_year_of(path)))


def find_general_files(root: Path) -> list[Path]:
    """Return the files that are of no split, the one that counts first."""
    return [path for name in _GENERAL if (path := root / name).is_file()]


def find_image_folder(root: Path, split: str, first: str) -> Path | None:
    """Return the folder that holds the first image of a split's file; None if none does."""
    places = _image_folders(root, split)
    return next((place for place in places if find_file(place, first) is not None), None)


def describe_image_folders(split: str) -> str:
    """Return the folders that may hold the images of a split, in words."""
    return f"{split}, {split}2017, images/{split}2017, images/{split}, images, ."


def _image_folders(root: Path, split: str) -> Iterator[Path]:
    yield from list_split_folders(root, split)
    yield from list_split_folders(root / "images", split)
    yield from (root / "images", root)


def _split_of(path: Path) -> str | None:
    words = [word for word in re.split(r"[_. ]", path.stem) if word.lower() not in _AFFIXES]
    return parse_split("_".join(filter(None, words)))


def _year_of(path: Path) -> int:
    found = re.search(r"\d{4}", path.stem)
    return 0 if found is None else int(found[0])
