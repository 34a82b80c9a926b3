"""The seam between a data set and everything that uses it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from outtake.core.labels import LabelSpace
from outtake.core.types import Frame, LabelMap

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled image.

    Attributes:
        id: a name that is unique within its split and the same on every machine.
        image: where the image is: a file's path, or a name that the source understands.
        mask: where its mask is, likewise.
    """

    id: str
    image: str
    mask: str


class SegmentationSource(Protocol):
    """A data set: a new one is one file with this shape and one yaml.

    Attributes:
        name: how runs and reports call it.
        labels: its classes.
        channels: channels of every image.
    """

    name: str
    labels: LabelSpace
    channels: int

    def samples(self, split: str) -> list[Sample]:
        """Return the samples of ``train``, ``val`` or ``test`` in a fixed order.

        Raises:
            DataRootError: the data is not there.
            PairingError: an image or mask without its partner.
            EmptySplitError: the split exists and holds nothing.
        """
        ...

    def read_image(self, sample: Sample) -> Frame:
        """Return uint8 (H, W, channels).

        Raises:
            UnreadableImageError: the file can not be decoded.
        """
        ...

    def read_mask(self, sample: Sample) -> LabelMap:
        """Return class ids, uint8 (H, W), ``labels.ignore_index`` where unlabelled.

        Raises:
            UnreadableImageError: the file can not be decoded.
            LabelValueError: a value that is no class, named with its count and file.
        """
        ...

    def sample_bytes(self, sample: Sample) -> tuple[bytes, ...]:
        """Return the bytes that identify the sample, what identifies its image first.

        They are hashed for the fingerprint, and tell whether two splits share an image.
        """
        ...
