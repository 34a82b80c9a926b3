"""Polygons as YOLO's segmentation networks read them: a text file for each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from outtake.core.errors import DataRootError, UnreadableImageError
from outtake.data.list_pictures import list_pictures
from outtake.data.source import Sample
from outtake.data.sources.polygon_source import (
    DrawnObject,
    PolygonSource,
    corners_of,
    find_split_folder,
)

_CLASS_FILES = ("data.yaml", "dataset.yaml", "coco.yaml")


class Yolo(PolygonSource):
    """Outlines in lines ``class x y x y ...``, as shares of width and height.

    Layout: ``root/images/{train,val}/NAME.jpg`` with ``root/labels/{train,val}/NAME.txt``, or
    ``root/{train,valid}/images`` with ``root/{train,valid}/labels`` (Roboflow), and
    ``root/data.yaml`` with ``names``. An image without a text file is background throughout.

    Args:
        root: The folder.
        val_fraction: The part of ``train`` that becomes ``val`` where there is none.

    Raises:
        DataRootError: ``root`` is not a folder, or has no names.
    """

    def __init__(self, root: str, val_fraction: float | None = 0.2) -> None:
        self._names: tuple[str, ...] = ()
        super().__init__("yolo", root, val_fraction)

    def class_names(self) -> Sequence[str]:
        """Return the names of ``data.yaml``."""
        path = next((p for name in _CLASS_FILES if (p := self.root / name).is_file()), None)
        if path is None:
            raise DataRootError(f"{self.root} has no data.yaml with the `names` of the classes")
        try:
            names = yaml.safe_load(path.read_text(encoding="utf-8"))["names"]
            names = [names[key] for key in sorted(names)] if isinstance(names, Mapping) else names
            self._names = tuple(str(name) for name in names)
        except (yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError, RecursionError) as error:
            raise DataRootError(f"{path} has no list or map `names`: {error}") from error
        return self._names

    def stored_samples(self, split: str) -> list[Sample] | None:
        """Return the images of a split with their text files."""
        images, labels = self.root / "images", self.root / "labels"
        if (folder := find_split_folder(images, split)) is not None:
            labels = labels / folder.name
        elif (parent := find_split_folder(self.root, split)) is not None:
            folder, labels = parent / "images", parent / "labels"
        elif split == "train" and images.is_dir() and find_split_folder(images, "val") is None:
            folder = images
        else:
            return None
        if not folder.is_dir() or not labels.is_dir():
            raise DataRootError(f"the images {folder} need the folder {labels} of text files")
        found = list_pictures(folder).pictures
        return [
            Sample(name, str(path), str(labels / f"{name}.txt")) for name, path in found.items()
        ]

    def read_objects(self, sample: Sample, size: tuple[int, int]) -> Sequence[DrawnObject]:
        """Return what is drawn on an image."""
        objects = []
        for number, line in enumerate(self.record_of(sample).decode().splitlines(), start=1):
            words = line.split()
            if not words:
                continue
            where = f"{sample.mask} (line {number})"
            if len(words) == 5 or len(words) < 7 or len(words) % 2 == 0:
                raise UnreadableImageError(
                    f"cannot read {where}: a class and at least three points are needed, this has "
                    f"{len(words)} numbers" + (", as a box has" if len(words) == 5 else "")
                )
            label = int(words[0]) if words[0].isdigit() else -1
            if not 0 <= label < len(self._names):
                raise UnreadableImageError(
                    f"cannot read {where}: the class {words[0]} is not one of the "
                    f"{len(self._names)} names"
                )
            shares = corners_of(words[1:], where)
            objects.append(DrawnObject(self._names[label], (shares * (size[1], size[0]),)))
        return objects

    def record_of(self, sample: Sample) -> bytes:
        """Return the bytes of the text file; none where it is missing."""
        path = Path(sample.mask)
        return path.read_bytes() if path.is_file() else b""
