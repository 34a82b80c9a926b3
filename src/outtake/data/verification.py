"""Verify every file of a split once, before anything is trained on it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import DataRootError, EmptySplitError, LabelValueError, SizeMismatchError
from outtake.core.labels import LabelSpace
from outtake.core.parallel import default_threads, map_threads
from outtake.core.printable_text import list_some
from outtake.data.clipped_samples import watch_samples
from outtake.data.find_sample_range import warn_of_lost_samples
from outtake.data.fingerprint import split_fingerprint
from outtake.data.further_inputs import KEY as INPUTS_KEY
from outtake.data.further_inputs import from_files, get_further_inputs
from outtake.data.further_labels import KEY as FURTHER_KEY
from outtake.data.further_labels import get_further_labels, read_further_masks
from outtake.data.source import Sample, SegmentationSource, warn_of_data

_NEARLY_ALL = 0.98  # of the labelled pixels


@dataclass(frozen=True)
class SplitReport:
    """The contents of a split.

    Attributes:
        split: The name of the split.
        labels: The classes.
        channels: The number of channels of every image.
        samples: The samples in the order of the source.
        sizes: The (height, width) of each sample's image and mask, by id, in that order.
        sample_class_pixels: The number of pixels of each class in each sample, int64 (N, classes).
        ignored_pixels: The number of unlabelled pixels.
        files: The SHA-256 of each sample's image and mask, by id.
        fingerprint: One hash of all of it; it does not depend on where the files are or how old.
        further_class_pixels: The number of pixels of each class of each further label map, by its
            name, int64 (classes,).
    """

    split: str
    labels: LabelSpace
    channels: int
    samples: tuple[Sample, ...]
    sizes: Mapping[str, tuple[int, int]]
    sample_class_pixels: NDArray[np.int64]
    ignored_pixels: int
    files: Mapping[str, tuple[str, ...]]
    fingerprint: str
    further_class_pixels: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)

    @property
    def class_pixels(self) -> NDArray[np.int64]:
        """The number of pixels of each class, int64 (classes,)."""
        return np.asarray(self.sample_class_pixels.sum(axis=0))

    @property
    def class_frequencies(self) -> NDArray[np.float64]:
        """The share of each class in the labelled pixels, float64 (classes,), sum 1."""
        return _shares(self.class_pixels)

    def further_class_frequencies(self, name: str) -> NDArray[np.float64]:
        """The same of a further label map."""
        return _shares(self.further_class_pixels[name])


def verify_split(source: SegmentationSource, split: str, threads: int | None = None) -> SplitReport:
    """Decode and check every sample of a split.

    A source that has all of it on record gives it as its ``recorded_report``: nothing is decoded.

    Args:
        source: The data set.
        split: ``train``, ``val`` or ``test``.
        threads: The number of files that are read at a time; None decides by the processors.

    Raises:
        EmptySplitError: There are no samples.
        SizeMismatchError: An image and its mask differ in size.
        LabelValueError: A label is not a class, or no pixel is labelled.
        DataRootError: An image has other channels than the source.
        UnreadableImageError: A file cannot be decoded.
    """
    samples = source.samples(split)
    if not samples:
        raise EmptySplitError(f"the split {split!r} of {source.name} holds no samples")
    recorded: Callable[[str], SplitReport] | None = getattr(source, "recorded_report", None)
    report = recorded(split) if recorded else _decode_split(source, split, samples, threads)
    counts = {"mask": report.sample_class_pixels}
    counts |= {f"{FURTHER_KEY}.{name}": n for name, n in report.further_class_pixels.items()}
    if empty := [name for name, each in counts.items() if not each.any()]:
        what = "mask" if empty == ["mask"] else f"file of {empty[0]}"
        raise LabelValueError(
            f"no pixel of the split {split!r} of {source.name} is labelled: every {what} holds "
            "only the ignored value"
        )
    return report


def _shares(pixels: NDArray[np.int64]) -> NDArray[np.float64]:
    return pixels.astype(np.float64) / float(pixels.sum())


def _decode_split(
    source: SegmentationSource, split: str, samples: Sequence[Sample], threads: int | None
) -> SplitReport:
    with watch_samples() as lost:
        verified = map_threads(
            lambda sample: _verify_sample(source, sample),
            samples,
            threads=threads or default_threads(),
            title=f"Verifying {source.name} {split}",
        )
    warn_of_lost_samples(lost, len(samples), split, find_range_keys(source, samples))
    files = {sample.id: facts.files for sample, facts in zip(samples, verified, strict=True)}
    return SplitReport(
        split=split,
        labels=source.labels,
        channels=source.channels,
        samples=tuple(samples),
        sizes={sample.id: facts.size for sample, facts in zip(samples, verified, strict=True)},
        sample_class_pixels=np.stack([facts.pixels for facts in verified]),
        ignored_pixels=sum(facts.ignored_pixels for facts in verified),
        files=files,
        fingerprint=split_fingerprint(files),
        further_class_pixels={
            name: np.sum([facts.further_pixels[place] for facts in verified], axis=0)
            for place, name in enumerate(get_further_labels(source))
        },
    )


def find_range_keys(source: SegmentationSource, samples: Sequence[Sample]) -> dict[str, str]:
    """Return the config key of the range of each file of a further input."""
    names = [each.name for each in from_files(get_further_inputs(source))]
    return {
        path: f"{INPUTS_KEY}.{name}.range"
        for sample in samples
        for name, path in zip(names, sample.further, strict=False)
    }


def warn_duplicates(reports: Sequence[SplitReport]) -> None:
    """Warn of images that are in two splits, byte for byte; one line for two splits."""
    for position, later in enumerate(reports):
        for earlier in reports[:position]:
            where = {files[0]: name for name, files in earlier.files.items()}
            duplicates = [
                (where[files[0]], name) for name, files in later.files.items() if files[0] in where
            ]
            if duplicates:
                first, second = duplicates[0]
                warn_of_data(
                    f"{len(duplicates)} images are in both {earlier.split} and {later.split}, "
                    f"such as {first!r} and {second!r}: scores on {later.split} will be too good"
                )


def warn_class_shares(reports: Mapping[str, SplitReport]) -> None:
    """Warn of classes that train lacks, that are in another split alone, or that fill nearly all.

    Args:
        reports: The verified splits, by name.
    """
    for line in describe_class_shares({name: each.class_pixels for name, each in reports.items()},
                                      next(iter(reports.values())).labels):  # fmt: skip
        warn_of_data(line)


def describe_class_shares(pixels: Mapping[str, NDArray[np.int64]], labels: LabelSpace) -> list[str]:
    """Return one line for each flaw of how the classes are spread.

    Args:
        pixels: The pixels of each class, (classes,), by split.
        labels: The classes.
    """
    if "train" not in pixels:
        return []
    lines, train = [], pixels["train"]
    names = np.array(labels.names)
    for split, counts in pixels.items():
        if split != "train" and (only := names[(counts > 0) & (train == 0)]).size:
            lines.append(
                f"classes without a pixel in train are in {split}, where nothing can find them: "
                f"{list_some(list(only), 10)}"
            )
    nowhere = np.logical_and.reduce([counts == 0 for counts in pixels.values()])
    if nowhere.any():
        where = " or ".join(pixels)
        lines.append(f"classes without a pixel in {where}: {list_some(list(names[nowhere]), 10)}")
    shares = train / max(int(train.sum()), 1)
    if shares.max() >= _NEARLY_ALL:
        lines.append(
            f"{names[shares.argmax()]} has {shares.max():.1%} of the labelled pixels in train: a "
            "network that finds nothing else scores well on accuracy; look at the IoU of the "
            "others, or weight the classes in the loss"
        )
    return lines


@dataclass(frozen=True, slots=True)
class _SampleFacts:
    size: tuple[int, int]
    pixels: NDArray[np.int64]
    ignored_pixels: int
    files: tuple[str, ...]
    further_pixels: tuple[NDArray[np.int64], ...]


def _verify_sample(source: SegmentationSource, sample: Sample) -> _SampleFacts:
    # Decoded before hashed: a file that is missing or damaged is then named as such.
    image, mask = source.read_image(sample), source.read_mask(sample)
    if image.shape[2] != source.channels:
        raise DataRootError(
            f"the image {sample.image} has {image.shape[2]} channels, the data set has "
            f"{source.channels}; convert it or take it away"
        )
    size = (image.shape[0], image.shape[1])
    if mask.shape != size:
        turned = (
            " (they agree when turned: the image may have been labelled before its EXIF "
            "orientation was applied)"
            if mask.shape == size[::-1]
            else ""
        )
        raise SizeMismatchError(
            f"the image {sample.image} is {size[1]}x{size[0]} and its mask {sample.mask} is "
            f"{mask.shape[1]}x{mask.shape[0]}{turned}; make them the same size"
        )
    pixels = np.bincount(mask.ravel(), minlength=256).astype(np.int64)
    check_labels(pixels, source.labels, sample)
    return _SampleFacts(
        size,
        pixels[: len(source.labels.names)].copy(),
        int(pixels[source.labels.ignore_index]),
        tuple(_hash_bytes(part) for part in source.sample_bytes(sample)),
        tuple(count_further_pixels(source, sample, size)),
    )


def count_further_pixels(
    source: SegmentationSource, sample: Sample, size: tuple[int, int]
) -> Iterator[NDArray[np.int64]]:
    """Check the further label maps of an image of (height, width); yield pixels of each class.

    Raises:
        SizeMismatchError: A label map has another size.
        LabelValueError: A label is not a class.
    """
    spaces = get_further_labels(source)
    masks = read_further_masks(source, sample)
    for (name, labels), mask, path in zip(spaces.items(), masks, sample.further_masks, strict=True):
        if mask.shape != size:
            raise SizeMismatchError(
                f"the image {sample.image} is {size[1]}x{size[0]} and its label map {name}, "
                f"{path}, is {mask.shape[1]}x{mask.shape[0]}; make them the same size"
            )
        pixels = np.bincount(mask.ravel(), minlength=256).astype(np.int64)
        check_labels(pixels, labels, replace(sample, mask=path))
        yield pixels[: len(labels.names)].copy()


def check_labels(pixels: NDArray[np.int64], labels: LabelSpace, sample: Sample) -> None:
    """Raise a LabelValueError if a mask, of so many pixels (256,) a label, has one of no class."""
    classes = len(labels.names)
    unknown = [
        int(value) for value in np.flatnonzero(pixels[classes:]) + classes
        if value != labels.ignore_index
    ]  # fmt: skip
    if unknown:
        raise LabelValueError(
            f"{pixels[unknown[0]]} pixels of the mask {sample.mask} have the label {unknown[0]}, "
            f"which is no class; allowed are 0 to {classes - 1} and {labels.ignore_index} "
            "(unlabelled); correct the mask"
        )


def _hash_bytes(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
