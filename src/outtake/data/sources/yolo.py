"""Polygons as YOLO's segmentation networks read them: a text file for each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

import yaml

from outtake.annotations.annotated_shapes import Shape
from outtake.annotations.yolo_text import read_yolo
from outtake.core.errors import DataRootError
from outtake.data.source import Sample
from outtake.data.sources.polygon_source import PolygonSource
from outtake.data.split_names import find_split_folder, is_undivided

_CLASS_FILES = ("data.yaml", "dataset.yaml", "coco.yaml")


class Yolo(PolygonSource):
    """Outlines in lines ``class x y x y ...``, as shares of width and height.

    Layout: ``root/images/{train,val}/NAME.jpg`` with ``root/labels/{train,val}/NAME.txt``, or
    ``root/{train,valid}/images`` with ``root/{train,valid}/labels`` (Roboflow), and
    ``root/data.yaml`` with ``names``. An image without a text file is background throughout.

    Args:
        root: The folder.
        val_fraction: The part of ``train`` that becomes ``val`` where there is none; None asks.

    Raises:
        DataRootError: ``root`` is not a folder, or has no names.
    """

    def __init__(self, root: str, val_fraction: float | None = None) -> None:
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
        elif split == "train" and images.is_dir() and is_undivided(images):
            folder = images
        else:
            return None
        if not folder.is_dir() or not labels.is_dir():
            raise DataRootError(f"the images {folder} need the folder {labels} of text files")
        found = self.list_images(folder)
        # Accents are composed, as in the names of the images.
        texts = {
            normalize("NFC", path.relative_to(labels).with_suffix("").as_posix()): path
            for path in labels.rglob("[!.]*.txt")
        }
        self.say_some(
            texts.keys() - found.keys(), "text files are of no image and are left out", labels
        )
        empty = found.keys() - texts.keys()
        self.say_some(empty, "images have no text file and are background throughout", folder)
        return [
            Sample(name, str(path), str(texts.get(name, labels / f"{name}.txt")))
            for name, path in found.items()
        ]

    def read_shapes(self, sample: Sample, size: tuple[int, int]) -> Sequence[Shape]:
        """Return what is drawn on an image."""
        shapes = read_yolo(self.record_of(sample).decode(), predicted=False)
        for each in shapes:
            if each.number not in range(len(self._names)):
                raise ValueError(
                    f"the class {each.number} is not one of the {len(self._names)} names"
                )
        return [replace(each.scale(size), label=self._names[each.number or 0]) for each in shapes]

    def record_of(self, sample: Sample) -> bytes:
        """Return the bytes of the text file; none where it is missing."""
        path = Path(sample.mask)
        return path.read_bytes() if path.is_file() else b""
