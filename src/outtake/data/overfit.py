"""A few training images in the place of a data set: does a network learn them by heart?"""

from __future__ import annotations

from outtake.data.source import Sample, SegmentationSource
from outtake.data.source_view import SourceView


class FirstSamples(SourceView):
    """The first training samples of a data set, as each of its splits.

    Args:
        source: The data set.
        count: The number of samples.
    """

    def __init__(self, source: SegmentationSource, count: int) -> None:
        super().__init__(source, f"{source.name}, {count} images")
        self._count = count

    def samples(self, split: str) -> list[Sample]:
        """Return the first training samples, whatever the split."""
        return self._source.samples("train")[: self._count]
