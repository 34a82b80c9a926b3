"""Samples as tensors, read from disk each time or kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NotRequired, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from outtake.core.errors import ConfigError
from outtake.core.parallel import default_threads, map_threads
from outtake.core.types import Frame, LabelMap
from outtake.data.augmentation import Augmentation
from outtake.data.further_labels import get_further_labels, read_further_masks
from outtake.data.resize import resize_labels, resize_short_side, short_side_size
from outtake.data.sample_order import PADDING_INDEX
from outtake.data.source import Sample, SegmentationSource


class SampleTensors(TypedDict):
    """One item of a batch, see :class:`outtake.core.types.Batch`."""

    image: torch.Tensor
    mask: torch.Tensor
    index: int
    further_masks: NotRequired[dict[str, torch.Tensor]]


class SegmentationDataset(Dataset[SampleTensors]):
    """The samples of one split.

    Images are resized to ``short_side``. With an augmentation, masks go with them, and both
    are augmented; without one, masks keep their own resolution, at which metrics are counted.

    Args:
        source: The data set.
        samples: The samples of the split.
        short_side: The short side in pixels; see :func:`outtake.data.resize.resize_short_side`.
        augmentation: The augmentation of training; None for evaluation.
    """

    def __init__(
        self,
        source: SegmentationSource,
        samples: Sequence[Sample],
        *,
        short_side: int | None = None,
        augmentation: Augmentation | None = None,
    ) -> None:
        self._source = source
        self._samples = samples
        self._short_side = short_side
        self._augmentation = augmentation
        self._further_labels = list(get_further_labels(source))
        self._cached: list[tuple[Frame, LabelMap]] | None = None

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, key: int | tuple[int, int]) -> SampleTensors:
        """Return one sample.

        Args:
            key: The index; in training (pass, index), on which the augmentation depends. For
                ``PADDING_INDEX`` it is the first image without a label.

        Returns:
            ``image`` uint8 (C, h, w), ``index``, and ``mask`` (H, W): int64 in training, and in
            evaluation, where it may be much larger, uint8. ``further_masks``, where there are
            some, are such by the names of further label maps.
        """
        epoch, index = key if isinstance(key, tuple) else (0, key)
        image, mask = self.get(max(index, 0))
        if self._augmentation is not None:
            image, mask = self._augmentation(image, mask, epoch, index, self._draw)
        if index == PADDING_INDEX:
            mask = np.full_like(mask, self._source.labels.ignore_index)
        kind = np.uint8 if self._augmentation is None else np.int64
        maps = [mask] if mask.ndim == 2 else [mask[..., place] for place in range(mask.shape[2])]
        first, *others = (torch.from_numpy(each.astype(kind, order="C")) for each in maps)
        sample: SampleTensors = {
            # Copied, because what is kept in memory must not be changed by a user of it.
            "image": torch.from_numpy(np.array(image.transpose(2, 0, 1), order="C")),
            "mask": first,
            "index": index,
        }
        if others:
            sample["further_masks"] = dict(zip(self._further_labels, others, strict=True))
        return sample

    def get(self, index: int) -> tuple[Frame, LabelMap]:
        """Return what :meth:`load` does, from memory where it is kept; nobody may change it."""
        return self._cached[index] if self._cached is not None else self.load(index)

    def _draw(self, draws: np.random.Generator) -> tuple[Frame, LabelMap]:
        return self.get(int(draws.integers(len(self))))

    def load(self, index: int) -> tuple[Frame, LabelMap]:
        """Read a sample and resize it, without augmentation.

        Returns:
            uint8 (h, w, C) and uint8 (H, W), or (H, W, 1 + maps) with further label maps.
        """
        image, mask = self._read(self._samples[index])
        image = resize_short_side(image, self._short_side)
        if self._augmentation is not None:
            mask = resize_labels(mask, self._short_side, self._source.labels.ignore_index)
        return np.ascontiguousarray(image), np.ascontiguousarray(mask)

    def _read(self, sample: Sample) -> tuple[Frame, LabelMap]:
        image, mask = self._source.read_image(sample), self._source.read_mask(sample)
        if not self._further_labels:
            return image, mask
        return image, np.stack([mask, *read_further_masks(self._source, sample)], axis=2)

    def cache(
        self, title: str, store: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = None
    ) -> None:
        """Read all samples now; processes forked later share them.

        Args:
            title: The title of the progress bar.
            store: Puts an array where it is kept; None keeps it in memory.
        """

        def load(index: int) -> tuple[Frame, LabelMap]:
            image, mask = self.load(index)
            return (image, mask) if store is None else (store(image), store(mask))

        self._cached = map_threads(
            load, range(len(self._samples)), threads=default_threads(), title=title
        )

    def cache_bytes(self, sizes: Sequence[tuple[int, int]]) -> int:
        """Return the memory that :meth:`cache` takes, given the (height, width) of the files."""
        total = 0
        for height, width in sizes:
            small_height, small_width = short_side_size(height, width, self._short_side)
            small = small_height * small_width
            mask = height * width if self._augmentation is None else small
            total += small * self._source.channels + mask * (1 + len(self._further_labels))
        return total


def check_equal_sizes(sizes: Sequence[tuple[int, int]], short_side: int | None) -> None:
    """Raise ConfigError unless all images have one size after resizing."""
    resized = {short_side_size(height, width, short_side) for height, width in sizes}
    if len(resized) > 1:
        shown = ", ".join(f"{width}x{height}" for height, width in sorted(resized)[:4])
        raise ConfigError(
            f"training images are of {len(resized)} sizes ({shown}), which make no batch; "
            "set data.crop=[height,width], or data.batch_size=1"
        )
