"""What formats of drawn outlines have in common: objects of a picture become a label map."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import DataRootError, LabelValueError, UnreadableImageError
from outtake.core.labels import LabelSpace
from outtake.core.types import Frame, LabelMap, Mask
from outtake.core.validate import check_number
from outtake.data.folder_layouts import SPLIT_NAMES, check_root
from outtake.data.image_files import read_image
from outtake.data.source import Sample, check_split, split_by_hash, warn_of_data

BACKGROUND = "background"
IGNORED_NAMES = frozenset({"__ignore__", "ignore", "void", "unlabelled"})


@dataclass(frozen=True)
class DrawnObject:
    """One object of a picture.

    Attributes:
        name: Its class.
        polygons: Its outlines, float (N, 2) each, in pixels (x, y).
        mask: Where it is, instead of outlines, bool (H, W); or None.
        ignored: Whether its pixels are unlabelled, as those of a crowd.
    """

    name: str
    polygons: tuple[NDArray[np.float64], ...] = ()
    mask: Mask | None = None
    ignored: bool = False

    def draw(self, labels: LabelMap, label: int) -> None:
        """Paint the object into a label map."""
        if self.mask is not None:
            labels[self.mask] = label
        for polygon in self.polygons:
            fill_polygon(labels, polygon, label)


def fill_polygon(labels: LabelMap, polygon: NDArray[np.float64], label: int) -> None:
    """Paint the pixels whose centres are inside an outline, by the even-odd rule.

    (OpenCV and Pillow paint the border too: a square of ten pixels becomes eleven wide.)

    Args:
        labels: uint8 (H, W), which is changed.
        polygon: float (N, 2), corners (x, y); a pixel reaches from its number to the next one.
        label: The value.
    """
    height, width = labels.shape
    if len(polygon) < 3 or not np.isfinite(polygon).all():
        return
    (left, top), (right, bottom) = np.floor(polygon.min(0)), np.ceil(polygon.max(0))
    first, last = max(int(top), 0), min(int(bottom), height)
    start, end = max(int(left), 0), min(int(right), width)
    if first >= last or start >= end:
        return
    x, y = polygon[:, 0], polygon[:, 1]
    next_x, next_y = np.roll(x, -1), np.roll(y, -1)
    centres = np.arange(first, last) + 0.5
    edge, row = np.nonzero((y[:, None] <= centres) != (next_y[:, None] <= centres))
    share = (centres[row] - y[edge]) / (next_y[edge] - y[edge])
    crossing = x[edge] + share * (next_x[edge] - x[edge])
    column = np.clip(np.ceil(crossing - 0.5), start, end).astype(np.int64) - start
    toggles = np.zeros((last - first, end - start + 1), np.int32)
    np.add.at(toggles, (row, column), 1)
    inside = toggles.cumsum(1)[:, :-1] % 2 == 1
    labels[first:last, start:end][inside] = label


class PolygonSource(ABC):
    """A data set whose masks are drawn from outlines; what is not outlined is background.

    Objects are drawn in the order of the file, so the last one lies on top.

    Args:
        name: The name of the data set.
        root: Its folder.
        val_fraction: The part of ``train`` that is ``val`` where there is no ``val``, chosen by a
            hash; None leaves it out.

    Raises:
        DataRootError: ``root`` is not a folder, or holds no annotations.
    """

    channels = 3

    def __init__(self, name: str, root: str | Path, val_fraction: float | None) -> None:
        check_number("data.source.val_fraction", val_fraction, 0.001, 0.999, optional=True)
        self.root = check_root(root)
        self.name = name
        self._val_fraction = val_fraction
        names = self.class_names()
        self.labels = LabelSpace.from_names((BACKGROUND, *(n for n in names if n != BACKGROUND)))

    @abstractmethod
    def class_names(self) -> Sequence[str]:
        """Return the classes in their order, with or without the background."""

    @abstractmethod
    def stored_samples(self, split: str) -> list[Sample] | None:
        """Return the samples of a split in any order; None if there is no such split."""

    @abstractmethod
    def read_objects(self, sample: Sample, size: tuple[int, int]) -> Sequence[DrawnObject]:
        """Return what is drawn on an image of (height, width)."""

    @abstractmethod
    def record_of(self, sample: Sample) -> bytes:
        """Return the bytes that say what is drawn on a sample's image."""

    def samples(self, split: str) -> list[Sample]:
        """Return the samples of a split, in the order of their ids."""
        check_split(split)
        found = self.stored_samples(split)
        train = self.stored_samples("train") if split in ("train", "val") else None
        if split == "val" and found is None and train and self._val_fraction:
            return split_by_hash(_by_id(train), self._val_fraction)[1]
        if split == "train" and train and self._val_fraction and self.stored_samples("val") is None:
            return split_by_hash(_by_id(train), self._val_fraction)[0]
        if found is None:
            raise DataRootError(
                f"{self.name} has no split {split!r} in {self.root}; docs/data.md shows the layout"
                + ("; data.source.val_fraction=0.2 takes it of train" if split == "val" else "")
            )
        return _by_id(found)

    def read_image(self, sample: Sample) -> Frame:
        """Return uint8 (H, W, 3) RGB."""
        return read_image(sample.image, channels=3)

    def read_mask(self, sample: Sample) -> LabelMap:
        """Return class ids, uint8 (H, W), 255 where unlabelled."""
        size = self.read_image(sample).shape[:2]
        labels = np.zeros(size, np.uint8)
        known = {name: label for label, name in enumerate(self.labels.names)}
        for each in self.read_objects(sample, (size[0], size[1])):
            if each.mask is not None and each.mask.shape != size:
                raise UnreadableImageError(
                    f"an object of {sample.mask} is {each.mask.shape[1]}x{each.mask.shape[0]} and "
                    f"its image {size[1]}x{size[0]}; correct the annotation"
                )
            if each.ignored or each.name in IGNORED_NAMES:
                each.draw(labels, self.labels.ignore_index)
            elif each.name in known:
                each.draw(labels, known[each.name])
            else:
                raise LabelValueError(
                    f"{sample.mask} holds an object {each.name!r}, which is no class; the classes "
                    f"are: {', '.join(self.labels.names)}"
                )
        return labels

    def sample_bytes(self, sample: Sample) -> tuple[bytes, ...]:
        """Return the bytes of the image's file and of its record."""
        return Path(sample.image).read_bytes(), self.record_of(sample)


def find_split_folder(parent: Path, split: str) -> Path | None:
    """Return the subfolder of a split, by any of its usual names."""
    places = (parent / name for name in SPLIT_NAMES[split])
    return next((place for place in places if place.is_dir()), None)


def read_json_file(path: Path) -> Any:
    """Read a file of JSON.

    Raises:
        UnreadableImageError: It is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise UnreadableImageError(f"cannot read {path}: {error}; restore the file") from error


def corners_of(points: Any, path: str) -> NDArray[np.float64]:
    """Return points as float (N, 2).

    Raises:
        UnreadableImageError: They are no pairs of numbers.
    """
    try:
        array = np.asarray(points, np.float64).reshape(-1, 2)
    except (TypeError, ValueError) as error:
        raise UnreadableImageError(
            f"cannot read {path}: an outline is not made of pairs of numbers; correct it"
        ) from error
    return array


def say_images_without_record(name: str, count: int, folder: Path) -> None:
    """Give the line about images for which there are no annotations."""
    if count:
        warn_of_data(f"{count} images in {folder} have no annotation of {name} and are left out")


def _by_id(samples: list[Sample]) -> list[Sample]:
    return sorted(samples, key=lambda sample: sample.id)
