"""Images without labels: a folder of them, or the samples of a split whose labels are set aside."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

from outtake.core.errors import ConfigError, DataRootError, EmptySplitError
from outtake.core.parallel import default_threads, map_threads
from outtake.core.types import Frame
from outtake.data.clipped_samples import watch_samples
from outtake.data.find_sample_range import warn_of_lost_samples
from outtake.data.fingerprint import split_fingerprint
from outtake.data.image_files import read_image
from outtake.data.list_pictures import list_pictures
from outtake.data.sample_range import SampleRange
from outtake.data.source import Sample, SegmentationSource, warn_of_data
from outtake.data.source_view import SourceView


class UnlabelledSource(Protocol):
    """Images for training that have no labels.

    Attributes:
        name: The name in messages.
    """

    name: str

    def samples(self) -> list[Sample]:
        """Return the images in a fixed order.

        Raises:
            DataRootError: There is no such folder.
            EmptySplitError: There is no image.
        """
        ...

    def read_image(self, sample: Sample) -> Frame:
        """Return uint8 (H, W, channels).

        Raises:
            UnreadableImageError: The file cannot be decoded.
        """
        ...

    def image_bytes(self, sample: Sample) -> bytes:
        """Return the bytes that identify the image."""
        ...


class PictureFolder:
    """All pictures of a folder and its subfolders.

    Args:
        folder: The folder.
        channels: The number of channels of the labelled images: 1 and 3 convert every picture.
        sample_range: What becomes 0 and 255 in the labelled images; None for 8 bits.
    """

    def __init__(self, folder: str, channels: int, sample_range: SampleRange | None) -> None:
        self._folder = Path(folder).expanduser()
        self._channels = channels
        self._range = sample_range
        self.name = f"data.unlabelled={folder}"

    def samples(self) -> list[Sample]:
        """Return the pictures in the order of their names.

        Raises:
            DataRootError: There is no such folder.
            EmptySplitError: It holds no picture.
        """
        if not self._folder.is_dir():
            raise DataRootError(f"{self.name}: no such folder; name a folder of pictures")
        found = list_pictures(self._folder)
        if line := found.describe_passed_over():
            warn_of_data(line)
        if found.repeated:
            name, kept, other = found.repeated[0]
            warn_of_data(
                f"{self.name}: {len(found.repeated)} pictures have the name of another, such as "
                f"{name}, and are left out: {kept.name} is kept, not {other.name}"
            )
        if not found.pictures:
            raise EmptySplitError(
                f"{self.name}: the folder holds no picture that can be read; name one that does, "
                "or leave the images without labels out with supervision=supervised"
            )
        return [Sample(name, str(path), "") for name, path in found.pictures.items()]

    def read_image(self, sample: Sample) -> Frame:
        """Return uint8 (H, W, channels).

        Raises:
            UnreadableImageError: The file cannot be decoded.
            DataRootError: It has other channels than the labelled images.
        """
        wanted = self._channels if self._channels in (1, 3) else None
        image = read_image(sample.image, wanted, self._range)
        if image.shape[2] != self._channels:
            raise DataRootError(
                f"the image {sample.image} has {image.shape[2]} channels, the labelled ones have "
                f"{self._channels}; convert it or take it away"
            )
        return image

    def image_bytes(self, sample: Sample) -> bytes:
        """Return the bytes of the file."""
        return Path(sample.image).read_bytes()


class LabelledShare(SourceView):
    """A data set of which only a part of ``train`` counts as labelled; other splits stay.

    A hash of the ids chooses the part, so it is the same on every machine, and a smaller part is
    inside a larger one.

    Args:
        source: The data set.
        share: The part of ``train``, above 0 and at most 1; at least one sample is chosen.
    """

    def __init__(self, source: SegmentationSource, share: float) -> None:
        part = Fraction(share).limit_denominator(1000)
        super().__init__(source, f"{source.name}, {part} of train")
        self._share = share

    def samples(self, split: str) -> list[Sample]:
        """Return the samples of a split; of ``train`` the chosen part."""
        samples = self._source.samples(split)
        if split != "train":
            return samples
        chosen = self._choose(samples)
        return [sample for sample in samples if sample.id in chosen]

    def other_samples(self) -> list[Sample]:
        """Return the samples of ``train`` that were not chosen."""
        samples = self._source.samples("train")
        chosen = self._choose(samples)
        return [sample for sample in samples if sample.id not in chosen]

    def _choose(self, samples: list[Sample]) -> set[str]:
        ranked = sorted(samples, key=lambda sample: _hash_id(sample.id))
        return {sample.id for sample in ranked[: max(1, round(len(samples) * self._share))]}


class LabelsSetAside:
    """The samples of ``train`` that a :class:`LabelledShare` leaves out, without their labels.

    Args:
        share: The labelled part.
    """

    def __init__(self, share: LabelledShare) -> None:
        self._share = share
        self.name = f"the rest of {share.name}"

    def samples(self) -> list[Sample]:
        """Return the samples in the order of the data set.

        Raises:
            EmptySplitError: All of them are labelled.
        """
        samples = self._share.other_samples()
        if not samples:
            raise EmptySplitError(
                "data.labelled_share leaves no image without its labels; set a lower share, as "
                "data.labelled_share=1/8"
            )
        return samples

    def read_image(self, sample: Sample) -> Frame:
        """Return uint8 (H, W, channels)."""
        return self._share.read_image(sample)

    def image_bytes(self, sample: Sample) -> bytes:
        """Return the bytes that identify the image."""
        return self._share.sample_bytes(sample)[0]


@dataclass(frozen=True)
class UnlabelledReport:
    """The images without labels.

    Attributes:
        samples: The images.
        sizes: The (height, width) of each.
        files: The SHA-256 of each image, by id.
    """

    samples: tuple[Sample, ...]
    sizes: tuple[tuple[int, int], ...]
    files: Mapping[str, tuple[str, ...]]

    def to_record(self) -> dict[str, Any]:
        """Return what ``data.json`` holds of them."""
        return {"count": len(self.samples), "fingerprint": split_fingerprint(self.files)}


def verify_unlabelled(source: UnlabelledSource) -> UnlabelledReport:
    """Decode every image once.

    Raises:
        DataRootError, EmptySplitError, UnreadableImageError: As the source raises them.
    """
    samples = source.samples()

    def look(sample: Sample) -> tuple[tuple[int, int], str]:
        height, width = source.read_image(sample).shape[:2]
        return (height, width), hashlib.sha256(source.image_bytes(sample)).hexdigest()

    title = f"Verifying {source.name}"
    with watch_samples() as lost:
        found = map_threads(look, samples, threads=default_threads(), title=title)
    warn_of_lost_samples(lost, len(samples), source.name)
    files = {sample.id: (digest,) for sample, (_, digest) in zip(samples, found, strict=True)}
    return UnlabelledReport(tuple(samples), tuple(size for size, _ in found), files)


def warn_of_scored_images(report: UnlabelledReport, scored: Mapping[str, tuple[str, ...]]) -> None:
    """Warn of images without labels that are in ``val`` too.

    Args:
        report: The images without labels.
        scored: The SHA-256 of the files of ``val``, by id, that of the image first.
    """
    digests = {files[0] for files in scored.values()}
    common = [name for name, files in report.files.items() if files[0] in digests]
    if common:
        warn_of_data(
            f"{len(common)} images without labels are in val too, such as {common[0]!r}: the "
            "network learns their looks, and scores on val will be too good"
        )


def read_share(value: float | str, key: str = "data.labelled_share") -> float:
    """Return a share that is written as a number or a fraction, such as 0.125 or 1/8.

    Raises:
        ConfigError: It is neither, or not above 0 and at most 1.
    """
    try:
        share = float(Fraction(str(value)))
    except (ValueError, ZeroDivisionError):
        share = 0.0
    if not 0 < share <= 1:
        raise ConfigError(f"{key}={value}: give more than 0 and at most 1, as 0.125 or 1/8")
    return share


def _hash_id(name: str) -> bytes:
    # Other than the hash that takes val from train: those would be the ones next to it in order.
    return hashlib.sha256(f"labelled/{name}".encode(errors="surrogateescape")).digest()
