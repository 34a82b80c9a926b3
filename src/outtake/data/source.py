"""The interface between a data set and everything that uses it."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from typing import Protocol

from outtake.core.errors import ConfigError, DataRootError
from outtake.core.labels import LabelSpace
from outtake.core.types import Frame, LabelMap

SPLITS = ("train", "val", "test")


class DataWarning(UserWarning):
    """A flaw of the data, or what was left out or chosen for the user; it stops nothing."""


class DataChoice(DataWarning):
    """What was made up for the user, as a ``val`` or names of classes."""


class ValChoice(DataChoice):
    """Which part of ``train`` became ``val``."""


def warn_of_data(text: str, category: type[DataWarning] = DataWarning) -> None:
    """Give a :class:`DataWarning`; the same text once."""
    warnings.warn(text, category, stacklevel=2)


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled image.

    Attributes:
        id: A name that is unique within its split and the same on every machine.
        image: The path of the image's file, or a name that the source understands.
        mask: The path of the mask's file, or a name that the source understands; empty where the
            source makes the mask of an image that has none.
        further: The files of its further inputs, see :mod:`outtake.data.further_inputs`.
        further_masks: The files of its further label maps, see :mod:`outtake.data.further_labels`.
    """

    id: str
    image: str
    mask: str
    further: tuple[str, ...] = ()
    further_masks: tuple[str, ...] = ()


class SegmentationSource(Protocol):
    """A data set. A new one is a file with a class of this shape, and a yaml.

    Attributes:
        name: The name in runs and reports.
        labels: The classes.
        channels: The number of channels of every image.

    A source whose samples are of recordings also has ``group(sample) -> str | None``, the name of
    its recording, or None for a sample by itself: folds never divide one. A source that brings
    samples to 8 bits also has ``sample_range``, a :class:`outtake.data.sample_range.SampleRange` or
    None; it goes into the checkpoint.
    """

    name: str
    labels: LabelSpace
    channels: int

    def samples(self, split: str) -> list[Sample]:
        """Return the samples of ``train``, ``val`` or ``test`` in a fixed order.

        Raises:
            DataRootError: The data is missing.
            PairingError: An image has no mask, or a mask no image.
            EmptySplitError: The split exists and is empty.
        """
        ...

    def read_image(self, sample: Sample) -> Frame:
        """Return uint8 (H, W, channels).

        Raises:
            UnreadableImageError: The file cannot be decoded.
        """
        ...

    def read_mask(self, sample: Sample) -> LabelMap:
        """Return class ids, uint8 (H, W), ``labels.ignore_index`` where unlabelled.

        Raises:
            UnreadableImageError: The file cannot be decoded.
            LabelValueError: A value is not a class; the message has its count and file.
        """
        ...

    def sample_bytes(self, sample: Sample) -> tuple[bytes, ...]:
        """Return the bytes that identify the sample; those of its image come first.

        They are hashed for the fingerprint, and show whether two splits share an image.
        """
        ...


def find_group(source: SegmentationSource, sample: Sample) -> str | None:
    """Return the recording that a sample is of; None where the data set does not know."""
    declared = getattr(source, "group", None)
    return None if declared is None else declared(sample)


def check_split(split: str) -> None:
    """Raise ConfigError unless ``split`` is one of train, val and test."""
    if split not in SPLITS:
        raise ConfigError(f"unknown split {split!r}; the splits are: {', '.join(SPLITS)}")


def split_by_hash(samples: list[Sample], fraction: float) -> tuple[list[Sample], list[Sample]]:
    """Divide samples into train and val; those with the smallest hashes of their ids are val.

    Raises:
        DataRootError: There are fewer than two samples.
    """
    if len(samples) < 2:
        raise DataRootError("data.source.val_fraction needs at least two training images")
    ranked = sorted(
        samples,
        key=lambda sample: hashlib.sha256(sample.id.encode(errors="surrogateescape")).digest(),
    )
    count = min(max(round(len(samples) * fraction), 1), len(samples) - 1)
    chosen = {sample.id for sample in ranked[:count]}
    train = [sample for sample in samples if sample.id not in chosen]
    return train, [sample for sample in samples if sample.id in chosen]


def cut_val(train: list[Sample], fraction: float, name: str) -> tuple[list[Sample], list[Sample]]:
    """Divide the training samples of a data set that has no ``val``, and say so in one line.

    Args:
        train: All of them.
        fraction: The part that becomes ``val``, see :func:`split_by_hash`.
        name: The name of the data set.
    """
    kept, val = split_by_hash(train, fraction)
    warn_of_data(
        f"{name} has no val: {len(val)} of its {len(train)} training images, chosen by a hash of "
        f"their names, are val (data.source.val_fraction={fraction:g}), and train is the others; "
        "of videos, whole ones belong into a val of your own",
        ValChoice,
    )
    return kept, val
