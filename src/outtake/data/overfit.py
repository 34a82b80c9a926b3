"""A few training images in the place of a data set: does a network learn them by heart?"""

from __future__ import annotations

from outtake.core.types import Frame, LabelMap
from outtake.data.further_inputs import get_further_inputs
from outtake.data.sample_range import get_sample_range
from outtake.data.source import Sample, SegmentationSource


class FirstSamples:
    """The first training samples of a data set, as each of its splits.

    Args:
        source: The data set.
        count: The number of samples.
    """

    def __init__(self, source: SegmentationSource, count: int) -> None:
        self._source = source
        self._count = count
        self.name = f"{source.name}, {count} images"
        self.labels = source.labels
        self.channels = source.channels
        self.sample_range = get_sample_range(source)
        self.further_inputs = get_further_inputs(source)

    def samples(self, split: str) -> list[Sample]:
        """Return the first training samples, whatever the split."""
        return self._source.samples("train")[: self._count]

    def read_image(self, sample: Sample) -> Frame:
        """Return uint8 (H, W, channels)."""
        return self._source.read_image(sample)

    def read_mask(self, sample: Sample) -> LabelMap:
        """Return class ids, uint8 (H, W)."""
        return self._source.read_mask(sample)

    def sample_bytes(self, sample: Sample) -> tuple[bytes, ...]:
        """Return the bytes that identify the sample."""
        return self._source.sample_bytes(sample)
