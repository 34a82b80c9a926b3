"""Batches of labelled images with images that have no labels beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, default_collate

from outtake.core.errors import ConfigError
from outtake.core.types import Batch, Frame, LabelMap
from outtake.data.augmentation import Augmentation
from outtake.data.dataset import SampleTensors, SegmentationDataset
from outtake.data.sample_order import DividedBatches, SampleOrder, derive_seed
from outtake.data.source import Sample, SegmentationSource
from outtake.data.strong_views import StrongViews
from outtake.data.unlabelled import UnlabelledSource

Key = tuple[int, int]
MixedKey = tuple[int, int, bool]
"""A pass, an index, and whether the image is one without labels."""


@dataclass(frozen=True)
class UnlabelledImages:
    """What training is given of images without labels.

    Attributes:
        source: The images.
        batch_size: How many of them go with a batch, over all processes together; None is as many
            as there are labelled ones.
        strong: Makes strong views of them; None for none.
    """

    source: UnlabelledSource
    batch_size: int | None = None
    strong: StrongViews | None = None


class UnlabelledDataset(Dataset[dict[str, torch.Tensor]]):
    """Images without labels, augmented like the labelled ones.

    Args:
        images: The source, and what is made of its images.
        samples: The images.
        labelled: The data set beside which they are.
        short_side: The short side in pixels to which they are resized.
        augmentation: The augmentation of training; its crop must be set.
        seed: The seed of the run, from which other draws follow than those of labelled images.

    Attributes:
        loaded: The images with masks that are 0 inside them, and the ignored label in the padding.
    """

    def __init__(
        self,
        images: UnlabelledImages,
        samples: Sequence[Sample],
        labelled: SegmentationSource,
        *,
        short_side: int | None,
        augmentation: Augmentation,
        seed: int,
    ) -> None:
        self._strong = images.strong
        self._batch_size = images.batch_size
        self._seed = derive_seed("unlabelled", seed)
        self.loaded = _WithEmptyMasks(
            images.source,
            samples,
            labelled,
            short_side=short_side,
            augmentation=augmentation.without_labels(self._seed),
        )

    def mix(self, labelled: DividedBatches, labelled_batch_size: int) -> MixedBatches:
        """Return the batches of labelled samples with some of these images in each.

        Args:
            labelled: The batches.
            labelled_batch_size: The size of a batch, over all processes together.

        Raises:
            ConfigError: A process would get no image.
        """
        batch_size = self._batch_size or labelled_batch_size
        if batch_size < labelled.world_size:
            raise ConfigError(
                f"data.unlabelled_batch_size={batch_size}: {labelled.world_size} processes need "
                f"one image each; set {labelled.world_size} or more"
            )
        return MixedBatches(labelled, len(self), batch_size, seed=self._seed)

    def __len__(self) -> int:
        return len(self.loaded)

    def __getitem__(self, key: Key) -> dict[str, torch.Tensor]:
        """Return one image of a :class:`outtake.core.types.UnlabelledBatch`."""
        item = self.loaded[key]
        made = {"image": item["image"], "valid": item["mask"] == 0}
        if self._strong is not None:
            image = np.ascontiguousarray(item["image"].numpy().transpose(1, 2, 0))
            views, boxes = self._strong(image, *key)
            made["strong"] = torch.from_numpy(np.array(views.transpose(0, 3, 1, 2), order="C"))
            made["boxes"] = torch.from_numpy(boxes)
        return made


class _WithEmptyMasks(SegmentationDataset):
    """Images without labels as labelled ones, in which every pixel has the first class."""

    def __init__(
        self,
        images: UnlabelledSource,
        samples: Sequence[Sample],
        labelled: SegmentationSource,
        *,
        short_side: int | None,
        augmentation: Augmentation,
    ) -> None:
        super().__init__(labelled, samples, short_side=short_side, augmentation=augmentation)
        self._images = images

    def _read(self, sample: Sample) -> tuple[Frame, LabelMap]:
        image = self._images.read_image(sample)
        return image, np.zeros(image.shape[:2], np.uint8)


class MixedDataset(Dataset[Any]):
    """Labelled samples and images without labels behind one index."""

    def __init__(self, labelled: SegmentationDataset, unlabelled: UnlabelledDataset) -> None:
        self._labelled = labelled
        self._unlabelled = unlabelled

    def __getitem__(self, key: MixedKey) -> SampleTensors | dict[str, torch.Tensor]:
        """Return one sample of either kind."""
        *place, is_unlabelled = key
        return (self._unlabelled if is_unlabelled else self._labelled)[place[0], place[1]]


class MixedBatches:
    """Each batch of labelled samples with one of images without labels.

    Both are endless sequences of shuffled passes, see :class:`SampleOrder`, so that the place in
    the one says the place in the other.

    Args:
        labelled: The batches of labelled samples; there are as many of the others, divided among
            the same processes.
        count: The number of images without labels.
        batch_size: How many of them go with a batch, over all processes together.
        seed: The seed of the order.
    """

    def __init__(self, labelled: DividedBatches, count: int, batch_size: int, *, seed: int) -> None:
        self._labelled = labelled
        order = SampleOrder(count, seed=seed, samples_per_epoch=batch_size * len(labelled))
        self._unlabelled = DividedBatches(
            order, batch_size, rank=labelled.rank, world_size=labelled.world_size
        )

    def __len__(self) -> int:
        return len(self._labelled)

    def iter_epoch(self, epoch: int, skipped: int = 0) -> Iterator[list[MixedKey]]:
        """Yield the keys of this process in each batch, without the first ``skipped`` batches."""
        both = (each.iter_epoch(epoch, skipped) for each in (self._labelled, self._unlabelled))
        for labelled, others in zip(*both, strict=True):
            yield [*((*key, False) for key in labelled), *((*key, True) for key in others)]


def collate_mixed(items: Sequence[Any]) -> Batch:
    """Return a batch of the labelled items, with the others under ``unlabelled``."""
    batch: Batch = default_collate([item for item in items if "mask" in item])
    batch["unlabelled"] = default_collate([item for item in items if "mask" not in item])
    return batch
