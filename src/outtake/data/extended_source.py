"""A data set whose samples are given more files, or others; all else of it is passed on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from outtake.core.errors import ConfigError, DataRootError
from outtake.core.types import Frame, LabelMap
from outtake.data.further_inputs import get_further_inputs
from outtake.data.sample_range import get_sample_range
from outtake.data.source import SPLITS, Sample, SegmentationSource


class ExtendedSource(ABC):
    """Passes on all that a data set has, also what only some have, but what a subclass changes.

    :class:`outtake.data.source_view.SourceView` passes on what every data set has, and no more.

    Args:
        source: The data set.
    """

    def __init__(self, source: SegmentationSource) -> None:
        self._source = source
        self.name, self.labels, self.channels = source.name, source.labels, source.channels
        self.sample_range = get_sample_range(source)
        self.further_inputs = get_further_inputs(source)

    def __getattr__(self, name: str) -> Any:
        """Return what the data set has beside what every one has."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._source, name)

    @abstractmethod
    def samples(self, split: str) -> list[Sample]:
        """Return the samples of a split in a fixed order."""

    def read_image(self, sample: Sample) -> Frame:
        """Return uint8 (H, W, channels)."""
        return self._source.read_image(sample)

    def read_mask(self, sample: Sample) -> LabelMap:
        """Return class ids, uint8 (H, W)."""
        return self._source.read_mask(sample)

    def sample_bytes(self, sample: Sample) -> tuple[bytes, ...]:
        """Return the bytes that identify the sample."""
        return self._source.sample_bytes(sample)

    def _first_samples(self) -> list[Sample]:
        """Return the training samples, or those of another split where there are none."""
        return self.samples(next((each for each in SPLITS if self._has_split(each)), SPLITS[0]))

    def _has_split(self, split: str) -> bool:
        try:
            return bool(self._source.samples(split))
        except DataRootError:
            return False


def find_root(source: SegmentationSource, root: str | None, key: str) -> Path:
    """Return the folder in which relative folders of further files lie.

    Args:
        source: The data set.
        root: The ``data.root``; None for the data set's own.
        key: The option that names the folders.

    Raises:
        ConfigError: The images of the data set have no names that further files could have.
    """
    if hasattr(source, "recorded_report"):
        raise ConfigError(
            f"{key}: shards have no names of files to find others by; set it to null, or train "
            "on the data set that was packed"
        )
    return Path(root or str(getattr(source, "root", "."))).expanduser()
