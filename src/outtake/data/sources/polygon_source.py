"""What formats of drawn outlines have in common: objects of a picture become a label map."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from outtake.annotations.annotated_shapes import Shape
from outtake.annotations.parse_errors import name_parse_errors
from outtake.annotations.raster import draw_shape
from outtake.core.errors import (
    ConfigError,
    LabelValueError,
    MissingSplitError,
    OuttakeError,
    PairingError,
    SizeMismatchError,
    UnreadableImageError,
)
from outtake.core.labels import LabelSpace
from outtake.core.printable_text import list_some
from outtake.core.types import Frame, LabelMap
from outtake.core.validate import check_number
from outtake.data.find_sample_range import find_range
from outtake.data.folder_layouts import check_root
from outtake.data.image_files import read_image
from outtake.data.list_pictures import list_pictures
from outtake.data.sample_range import SampleRange, read_range_option
from outtake.data.source import SPLITS, Sample, check_split, cut_val, warn_of_data

BACKGROUND = "background"
IGNORED_NAMES = frozenset({"__ignore__", "ignore", "void", "unlabelled"})
_ADVICE = "correct the annotation, or export it again"


class PolygonSource(ABC):
    """A data set whose masks are drawn from outlines; what is not outlined is background.

    Objects are drawn in the order of the file, so the last one lies on top.

    Args:
        root: The folder.
        val_fraction: The part of ``train`` that is ``val`` where there is no ``val``, chosen by a
            hash; None asks for one.
        range: ``auto``, or the sample values that become black and white.
        channels: 3 makes every image RGB, 1 grayscale.
        trained_range: The range of samples of the network that is to be scored, as
            :meth:`outtake.data.sample_range.SampleRange.to_dict` gives it; ``auto`` keeps it.

    Attributes:
        name: The name of the format, in runs and reports.
        sample_range: The values of samples that become black and white; None for 8 bits.
        flaws: What was left out or looks wrong, one line each, with the file or folder.

    Raises:
        DataRootError: ``root`` is not a folder, or holds no annotations.
        ConfigError: An option is wrong.
    """

    name: str

    def __init__(
        self,
        root: str,
        val_fraction: float | None = None,
        range: str | Sequence[float] = "auto",
        channels: int = 3,
        trained_range: Mapping[str, Any] | None = None,
    ) -> None:
        given_range = read_range_option(range)
        if channels not in (1, 3):
            raise ConfigError(f"data.source.channels is {channels}: give 1 (grayscale) or 3 (RGB)")
        self.channels = channels
        check_number("data.source.val_fraction", val_fraction, 0.001, 0.999, optional=True)
        self.root = check_root(root)
        self.flaws: dict[str, str] = {}
        self._val_fraction = val_fraction
        # No pixel can have a class that is drawn as unlabelled.
        names = [n for n in self.class_names() if n != BACKGROUND and n not in IGNORED_NAMES]
        self.labels = LabelSpace.from_names((BACKGROUND, *names))
        trained = None if trained_range is None else SampleRange.from_dict(trained_range)
        self.sample_range = find_range(self._first_images(), given_range, trained)

    @abstractmethod
    def class_names(self) -> Sequence[str]:
        """Return the names in their order, with or without the background and those ignored."""

    @abstractmethod
    def stored_samples(self, split: str) -> list[Sample] | None:
        """Return the samples of a split in any order; None if there is no such split."""

    @abstractmethod
    def read_shapes(self, sample: Sample, size: tuple[int, int]) -> Sequence[Shape]:
        """Return what is drawn on an image of (height, width), in pixels.

        Raises:
            SizeMismatchError: It was drawn on one of another size, see :meth:`check_size`.
        """

    @abstractmethod
    def record_of(self, sample: Sample) -> bytes:
        """Return the bytes that say what is drawn on a sample's image."""

    def samples(self, split: str) -> list[Sample]:
        """Return the samples of a split, in the order of their ids.

        Raises:
            DataRootError: There is no such split.
            PairingError: Two images have one name.
        """
        check_split(split)
        if split != "test" and self._val_fraction and self.stored_samples("val") is None:
            train = _in_order(self.stored_samples("train") or [])
            if train:
                return cut_val(train, self._val_fraction, self.name)[split == "val"]
        found = self.stored_samples(split)
        if found is None:
            advice = "data.source.val_fraction=0.2 takes it of train, or " if split == "val" else ""
            raise MissingSplitError(
                f"{self.name} has no split {split!r} in {self.root}",
                f"{advice}add it as docs/data.md shows the layout",
            )
        return _in_order(found)

    def read_image(self, sample: Sample) -> Frame:
        """Return uint8 (H, W, channels)."""
        return read_image(sample.image, self.channels, self.sample_range)

    def read_mask(self, sample: Sample) -> LabelMap:
        """Return class ids, uint8 (H, W), 255 where unlabelled."""
        size = self.read_image(sample).shape[:2]
        labels = np.zeros(size, np.uint8)
        known = {name: label for label, name in enumerate(self.labels.names)}
        with name_parse_errors(sample.mask, UnreadableImageError, _ADVICE):
            shapes = self.read_shapes(sample, (size[0], size[1]))
        for each in shapes:
            if each.whole and each.bitmap is not None and each.bitmap.shape != size:
                height, width = each.bitmap.shape
                raise UnreadableImageError(
                    f"{each.origin or 'an object'} of {sample.mask} is {width}x{height} "
                    f"and its image {size[1]}x{size[0]}; correct the annotation"
                )
            draw_shape(labels, each, self._label_of(each, known, sample), rule="centres")
        return labels

    @staticmethod
    def check_size(sample: Sample, drawn_on: tuple[int, int] | None, size: tuple[int, int]) -> None:
        """Refuse outlines that were drawn on a picture of another size: they would be displaced.

        Args:
            sample: The sample.
            drawn_on: The (height, width) that the file names; None or 0 where it does not.
            size: That of the picture as it is decoded.

        Raises:
            SizeMismatchError: They differ.
        """
        if drawn_on is None or 0 in drawn_on or drawn_on == size:
            return
        turned = (
            " (they agree when turned: the image may have been annotated before its EXIF "
            "orientation was applied)"
            if drawn_on == size[::-1]
            else ""
        )
        raise SizeMismatchError(
            f"the image {sample.image} is {size[1]}x{size[0]} and {sample.mask} was drawn on one "
            f"of {drawn_on[1]}x{drawn_on[0]}{turned}; restore the image, or export the annotations "
            "of this one"
        )

    def list_images(self, folder: Path) -> Mapping[str, Path]:
        """Return the pictures of a folder by their names, and say what is left out.

        Raises:
            PairingError: Two have one name.
        """
        listed = list_pictures(folder)
        for name, kept, other in listed.repeated:
            raise PairingError(f"two images named {name!r}: {kept} and {other}; keep one")
        if line := listed.describe_passed_over():
            self.say(line, folder)
        return listed.pictures

    def say(self, line: str, where: Path) -> None:
        """Warn of a flaw, and keep it for whoever lists all of them."""
        self.flaws[line] = str(where)
        warn_of_data(line)

    def say_some(self, names: Collection[str], what: str, where: Path) -> None:
        """Warn of so many of something, if there are any.

        Args:
            names: Their names.
            what: What they are, and what becomes of them.
            where: The file or folder.
        """
        if names:
            self.say(f"{where}: {len(names)} {what}: {list_some(sorted(names))}", where)

    def sample_bytes(self, sample: Sample) -> tuple[bytes, ...]:
        """Return the bytes of the image's file and of its record."""
        return Path(sample.image).read_bytes(), self.record_of(sample)

    def _first_images(self) -> list[str]:
        """Return the images of ``train``, or of the first split that there is."""
        # What is wrong with a split is told to whoever asks for it.
        with suppress(OuttakeError):
            for split in SPLITS:
                if (found := self.stored_samples(split)) is not None:
                    return [sample.image for sample in found]
        return []

    def _label_of(self, shape: Shape, known: Mapping[str, int], sample: Sample) -> int:
        if shape.crowd or shape.label in IGNORED_NAMES:
            return self.labels.ignore_index
        if shape.label in known:
            return known[shape.label]
        which = f"{shape.origin}, " if shape.origin else ""
        raise LabelValueError(
            f"{sample.mask} holds {which}an object {shape.label or shape.number!r}, which is no "
            f"class; the classes are: {', '.join(self.labels.names)}"
        )


def read_json_file(path: Path) -> Any:
    """Read a file of JSON.

    Raises:
        UnreadableImageError: It is missing or damaged.
    """
    with name_parse_errors(path, UnreadableImageError, "restore the file"):
        return json.loads(path.read_text(encoding="utf-8-sig"))


def _in_order(samples: list[Sample]) -> list[Sample]:
    ordered = sorted(samples, key=lambda sample: sample.id)
    for one, other in pairwise(ordered):
        if one.id == other.id:
            raise PairingError(
                f"two images named {one.id!r}: {one.image} and {other.image}; keep one"
            )
    return ordered
