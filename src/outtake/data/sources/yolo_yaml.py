"""The ``data.yaml`` of a data set of YOLO: the names of classes, and where the splits are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from outtake.core.errors import DataRootError
from outtake.data.foreign_names import find_place, find_tail, to_slashes
from outtake.data.source import SPLITS, DataChoice, warn_of_data

_FILES = ("data.yaml", "dataset.yaml", "coco.yaml")


@dataclass(frozen=True)
class YoloYaml:
    """What the file says.

    Attributes:
        file: The file.
        names: The name of each class's number, in the order of the numbers.
        splits: What it says of where each split is; without those that it does not name.
        folders: The folders that its paths may be relative to, the likelier first.
    """

    file: Path
    names: Mapping[int, str]
    splits: Mapping[str, tuple[str, ...]]
    folders: tuple[Path, ...]

    def find_places(self, split: str) -> list[Path]:
        """Return the folders and lists of a split that the file names.

        Raises:
            DataRootError: One of them is not there.
        """
        return [self._find_place(split, given) for given in self.splits[split]]

    def is_elsewhere(self, split: str) -> bool:
        """Return whether all paths of a split are whole ones, as of the machine that wrote them."""
        return all(to_slashes(given).startswith("/") for given in self.splits[split])

    def _find_place(self, split: str, given: str) -> Path:
        # Roboflow writes ../train/images of what lies beside the file; Ultralytics reads it so too.
        spellings = dict.fromkeys((given, given.removeprefix("../")))
        places = (find_place(each, name) for name in spellings for each in self.folders)
        if found := next(filter(None, places), None):
            return found
        tails = (find_tail(each, given, split) for each in self.folders)
        if found := next(filter(None, tails), None):
            warn_of_data(f"{self.file}: {split} is {given}, taken to be {found}", DataChoice)
            return found
        raise DataRootError(
            f"{self.file} says that {split} is {given}, which is not there (nor its end below "
            f"{self.folders[-1]}); correct the path, or remove the line to have {split} looked for"
        )


def read_yolo_yaml(root: Path) -> YoloYaml:
    """Read the file of a data set.

    Raises:
        DataRootError: There is none, or it is damaged or without names.
    """
    file = next((path for name in _FILES if (path := root / name).is_file()), None)
    if file is None:
        raise DataRootError(f"{root} has no data.yaml with the `names` of the classes")
    try:
        text = file.read_text(encoding="utf-8-sig")
        content = yaml.safe_load(text)
        if not isinstance(content, Mapping) or not isinstance(content.get("names"), list | dict):
            raise ValueError("it has no list or map `names`")
        # As words: `no` is a name, and '1' and 1 are one key.
        names = _read_names(yaml.load(text, Loader=yaml.BaseLoader)["names"])
        splits = {split: given for split in SPLITS if (given := _read_split(content, split))}
    except OSError as error:
        raise DataRootError(f"cannot read {file}: {error.strerror}; restore it") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataRootError(f"{file}: {' '.join(str(error).split())}; correct it") from error
    return YoloYaml(file, names, splits, _find_folders(file, content.get("path")))


def _read_names(given: Any) -> dict[int, str]:
    names: dict[int, str] = {}
    keyed = given.items() if isinstance(given, Mapping) else enumerate(given)
    for key, name in keyed:
        if not (str(key).isascii() and str(key).isdigit()):
            raise ValueError(f"the key {key!r} of `names` is no whole number, as a class has")
        if not isinstance(name, str) or not name:
            raise ValueError(f"the name of the class {key} is {name!r}, which is no word")
        if int(key) in names:
            raise ValueError(f"`names` has the class {int(key)} twice")
        names[int(key)] = name
    return dict(sorted(names.items()))


def _read_split(content: Mapping[str, Any], split: str) -> tuple[str, ...]:
    given = content.get(split)
    if given is None and split == "val":
        given = content.get("validation")
    listed = given if isinstance(given, list) else [given] if given else []
    if not all(isinstance(each, str) for each in listed):
        raise ValueError(f"`{split}` is {given!r}: give a folder, a list of folders or a text file")
    return tuple(listed)


def _find_folders(file: Path, path: Any) -> tuple[Path, ...]:
    """Return the folder of the key ``path``, if it is on this machine, and that of the file."""
    if not path:
        return (file.parent,)
    base = find_place(file.parent, os.path.expanduser(str(path)))
    if base is not None and base.is_dir():
        return tuple(dict.fromkeys((base, file.parent)))
    given = PurePosixPath(to_slashes(str(path)))
    # Ultralytics looks for ../datasets/NAME where it keeps data sets; this is the one of that name.
    if not given.is_absolute() and given.name == file.parent.resolve().name:
        return (file.parent,)
    warn_of_data(f"{file}: the path {path} is not there, {file.parent} is taken", DataChoice)
    return (file.parent,)
