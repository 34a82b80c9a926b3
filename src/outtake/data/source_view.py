"""A data set of which only the samples of its splits are chosen anew."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from outtake.core.types import Frame, LabelMap
from outtake.data.further_inputs import get_further_inputs
from outtake.data.further_labels import get_further_labels, read_further_masks
from outtake.data.labelled_clip import LabelledClip, get_labelled_clip
from outtake.data.sample_range import get_sample_range
from outtake.data.source import Sample, SegmentationSource, find_group


class SourceView(ABC):
    """Passes on everything of a data set but ``samples``, which a subclass chooses.

    Args:
        source: The data set.
        name: The name in runs and reports; None keeps that of the data set.
    """

    def __init__(self, source: SegmentationSource, name: str | None = None) -> None:
        self._source = source
        self.name = name or source.name
        self.labels = source.labels
        self.channels = source.channels
        self.sample_range = get_sample_range(source)
        self.further_inputs = get_further_inputs(source)
        self.further_labels = get_further_labels(source)

    @property
    def whole(self) -> SegmentationSource:
        """The data set."""
        return self._source

    @property
    def flaws(self) -> Mapping[str, str]:
        """What the data set left out or finds wrong, one line each, with the file or folder."""
        return getattr(self._source, "flaws", {})

    @abstractmethod
    def samples(self, split: str) -> list[Sample]:
        """Return the samples of a split in a fixed order."""

    def find_original(self, sample: Sample) -> Sample:
        """Return the sample of the data set that one of this view is."""
        return sample

    def group(self, sample: Sample) -> str | None:
        """Return the recording that a sample is of; None where the data set knows none."""
        return find_group(self._source, self.find_original(sample))

    def read_image(self, sample: Sample) -> Frame:
        """Return uint8 (H, W, channels)."""
        return self._source.read_image(self.find_original(sample))

    def read_mask(self, sample: Sample) -> LabelMap:
        """Return class ids, uint8 (H, W)."""
        return self._source.read_mask(self.find_original(sample))

    def describe_clip(self) -> LabelledClip | None:
        """Return the one clip that the data set is of, if it is of one."""
        return get_labelled_clip(self._source)

    def read_further_masks(self, sample: Sample) -> list[LabelMap]:
        """Return the further label maps of a sample, each uint8 (H, W)."""
        return read_further_masks(self._source, self.find_original(sample))

    def sample_bytes(self, sample: Sample) -> tuple[bytes, ...]:
        """Return the bytes that identify the sample."""
        return self._source.sample_bytes(self.find_original(sample))
