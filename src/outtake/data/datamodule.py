"""The data loaders of a run."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from outtake.core.errors import ConfigError
from outtake.core.labels import LabelSpace
from outtake.core.validate import check_number
from outtake.data.augmentation import Augmentation
from outtake.data.clipped_pixels import warn_of_clipping
from outtake.data.crop import make_crop
from outtake.data.dataset import SampleTensors, SegmentationDataset, check_equal_sizes
from outtake.data.epoch_loader import EpochLoader
from outtake.data.further_inputs import count_channels, get_further_inputs
from outtake.data.further_labels import get_further_labels
from outtake.data.loader_worker import prepare_rank_worker, prepare_worker
from outtake.data.mixing import MixingStep
from outtake.data.moved_labels import AugmentationStep
from outtake.data.resize import short_side_size
from outtake.data.sample_cache import SampleCache
from outtake.data.sample_order import (
    DividedBatches,
    SameSizeBatchSampler,
    SampleOrder,
    rare_class_shares,
)
from outtake.data.sample_range import SampleRange, get_sample_range
from outtake.data.source import SegmentationSource
from outtake.data.unlabelled import UnlabelledReport, verify_unlabelled, warn_of_scored_images
from outtake.data.unlabelled_dataset import (
    MixedDataset,
    UnlabelledDataset,
    UnlabelledImages,
    collate_mixed,
)
from outtake.data.verification import SplitReport, verify_split, warn_class_shares, warn_duplicates

_STAGE_SPLITS = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",), "predict": ()}


class DataModule(pl.LightningDataModule):
    """Verified, cached, augmented loaders of one data set.

    What a loader yields depends on the arguments alone: not on the number of workers, the cache, or
    what was iterated before.

    Args:
        source: The data set.
        steps: The augmentation of training samples, see :class:`Augmentation`.
        mixing: What makes one training sample of several, before these steps.
        seed: The seed of the order and of the augmentation.
        batch_size: The training batch, over all processes of the run together.
        eval_batch_size: The largest evaluation batch; a batch holds images of one size.
        workers: The number of processes that prepare batches; 0 prepares them in this one.
        cache: Keep decoded, resized samples in memory.
        cache_limit_mib: The most memory of the cache.
        cache_folder: Where a file keeps decoded samples that need more; None: they are read from
            disk each time.
        short_side: The short side in pixels to which images are resized; None leaves them.
        eval_short_side: The same for evaluation; None is ``short_side``.
        crop: The (height, width) of training samples; None takes whole images.
        focus: The share of the crops around a pixel of a class, see :class:`RandomCrop`.
        focus_classes: The names of these classes; None is all.
        rare_class_temperature: Samples with rare classes are drawn more often, see
            :func:`rare_class_shares`; None draws every sample equally often.
        samples_per_epoch: The length of an epoch; None is as many as there are samples.
        unlabelled: The images without labels that go with every training batch; None for none.

    Attributes:
        source: The data set.
        augmentation: The augmentation of training samples.
        reports: The reports of the splits that were verified, by name.
        unlabelled_report: The report of the images without labels; None before they are verified.

    The trainer needs ``use_distributed_sampler=False``: samples are divided among processes here.
    """

    def __init__(
        self,
        source: SegmentationSource,
        steps: Sequence[AugmentationStep] = (),
        mixing: Sequence[MixingStep] = (),
        *,
        seed: int,
        batch_size: int = 8,
        eval_batch_size: int = 8,
        workers: int = 2,
        cache: bool = True,
        cache_limit_mib: int = 4096,
        cache_folder: str | None = None,
        short_side: int | None = None,
        eval_short_side: int | None = None,
        crop: Sequence[int] | None = None,
        focus: float = 0.0,
        focus_classes: Sequence[str] | None = None,
        rare_class_temperature: float | None = None,
        samples_per_epoch: int | None = None,
        unlabelled: UnlabelledImages | None = None,
    ) -> None:
        super().__init__()
        check_number("data.batch_size", batch_size, 1, whole=True)
        check_number("data.eval_batch_size", eval_batch_size, 1, whole=True)
        check_number("data.samples_per_epoch", samples_per_epoch, 1, whole=True, optional=True)
        check_number("data.rare_class_temperature", rare_class_temperature, 1e-4, optional=True)
        check_number("data.short_side", short_side, 1, whole=True, optional=True)
        check_number("data.eval_short_side", eval_short_side, 1, whole=True, optional=True)
        check_number("data.workers", workers, 0, whole=True)
        self.source = source
        self.reports: dict[str, SplitReport] = {}
        self.augmentation = Augmentation(
            steps,
            make_crop(crop, focus, focus_classes, source.labels),
            source.labels.ignore_index,
            seed,
            mixing,
            further_channels=count_channels(get_further_inputs(source)),
        )
        self._seed = seed
        self._batch_size = batch_size
        self._eval_batch_size = eval_batch_size
        self._workers = workers
        self._cache = SampleCache(cache_limit_mib, cache_folder) if cache else None
        self._short_side = short_side
        self._eval_short_side = short_side if eval_short_side is None else eval_short_side
        self._rare_class_temperature = rare_class_temperature
        self._samples_per_epoch = samples_per_epoch
        self._datasets: dict[tuple[str, bool], SegmentationDataset] = {}
        self._start: tuple[int, int] | None = None
        self._last_loader: Callable[[], EpochLoader | None] = lambda: None
        self._classes_checked = False
        self._unlabelled = unlabelled
        self._unlabelled_dataset: UnlabelledDataset | None = None
        self.unlabelled_report: UnlabelledReport | None = None

    @property
    def labels(self) -> LabelSpace:
        """The classes of the data set."""
        return self.source.labels

    @property
    def channels(self) -> int:
        """Channels of every image."""
        return self.source.channels

    @property
    def sample_range(self) -> SampleRange | None:
        """The range of samples that becomes 8 bits; None where the source has none."""
        return get_sample_range(self.source)

    @property
    def eval_short_side(self) -> int | None:
        """The short side in pixels of the images of evaluation; None leaves them as they are."""
        return self._eval_short_side

    def setup(self, stage: str | None = None) -> None:
        """Verify the splits that a stage needs, each only once."""
        for split in _STAGE_SPLITS.get(stage or "fit", ()):
            self.report(split)
            self._get_dataset(split, training=split == "train")
        if stage in (None, "fit") and not self._classes_checked:
            warn_class_shares({name: self.report(name) for name in ("train", "val")})
            self._classes_checked = True
            if self._unlabelled is not None:
                self._prepare_unlabelled(self._unlabelled)

    def start_at(self, epoch: int, batches: int) -> None:
        """Let training begin in this epoch, after this many of its batches.

        It holds for the next training loader, and for the last one: some strategies of Lightning
        make it before they read the checkpoint.
        """
        self._start = (epoch, batches)
        loader = self._last_loader()
        if loader is not None:
            loader.batch_sampler.start_at(epoch, batches)

    def report(self, split: str) -> SplitReport:
        """Return the report of a split; verify the split first if that was not done yet."""
        if split not in self.reports:
            fresh = verify_split(self.source, split)
            for known in self.reports.values():
                warn_duplicates([known, fresh])
            self.reports[split] = fresh
        return self.reports[split]

    def class_frequencies(self, split: str = "train") -> NDArray[np.float64]:
        """Return the share of each class in the labelled pixels, float64 (classes,)."""
        return self.report(split).class_frequencies

    @property
    def further_labels(self) -> dict[str, LabelSpace]:
        """The classes of the further label maps by their names."""
        return get_further_labels(self.source)

    def train_dataloader(self) -> EpochLoader:
        """Return shuffled, augmented batches of equal size."""
        labelled = self._get_dataset("train", training=True)
        order = self._train_order()
        smallest = min(self._batch_size, len(order))
        if smallest < self._world_size:
            raise ConfigError(
                f"a batch of {smallest} samples cannot be shared by {self._world_size} processes; "
                f"data.batch_size is that of all together: set {self._world_size} or more"
            )
        batches, options = self._divide(order), self._loader_options()
        if self._unlabelled_dataset is None:
            loader = EpochLoader(labelled, batches, **options)
        else:
            both = MixedDataset(labelled, self._unlabelled_dataset)
            mixed = self._unlabelled_dataset.mix(batches, self._batch_size)
            loader = EpochLoader(both, mixed, collate_fn=collate_mixed, **options)
        if self._start is not None:
            loader.batch_sampler.start_at(*self._start)
            self._start = None
        self._last_loader = weakref.ref(loader)
        return loader

    def fixed_train_batches(self, count: int) -> Iterator[SampleTensors]:
        """Yield the first batches of the first epoch, at most ``count``, in this process.

        A training in progress is not disturbed: no worker is asked, no number is drawn.
        """
        dataset = self._get_dataset("train", training=True)
        first = list(islice(self._divide(self._train_order()).iter_epoch(0), count))
        draws = torch.Generator().manual_seed(0)
        yield from DataLoader(dataset, batch_sampler=first, generator=draws)

    def _train_order(self) -> SampleOrder:
        return SampleOrder(
            len(self._get_dataset("train", training=True)),
            seed=self._seed,
            samples_per_epoch=self._samples_per_epoch,
            shares=self._sample_shares(),
        )

    def _divide(self, order: SampleOrder) -> DividedBatches:
        return DividedBatches(order, self._batch_size, rank=self._rank, world_size=self._world_size)

    def val_dataloader(self) -> DataLoader[SampleTensors]:
        """Return :meth:`eval_loader` of ``val``."""
        return self.eval_loader("val")

    def test_dataloader(self) -> DataLoader[SampleTensors]:
        """Return :meth:`eval_loader` of ``test``."""
        return self.eval_loader("test")

    def eval_loader(self, split: str) -> DataLoader[SampleTensors]:
        """Return a split in order, not augmented, masks at their own resolution."""
        dataset = self._get_dataset(split, training=False)
        batches = SameSizeBatchSampler(
            self._image_sizes(split),
            self._eval_batch_size,
            rank=self._rank,
            world_size=self._world_size,
        )
        return DataLoader(dataset, batch_sampler=batches, **self._loader_options())

    def train_image_size(self) -> tuple[int, int]:
        """Return (height, width) at which training shows its first image to a network."""
        crop = self.augmentation.crop
        return (
            crop.size if crop else short_side_size(*self._image_sizes("train")[0], self._short_side)
        )

    def eval_image_size(self, split: str) -> tuple[int, int]:
        """Return (height, width) at which evaluation shows a split's first image to a network."""
        return short_side_size(*self._image_sizes(split)[0], self._eval_short_side)

    def _sample_shares(self) -> NDArray[np.float64] | None:
        if self._rare_class_temperature is None:
            return None
        return rare_class_shares(
            self.report("train").sample_class_pixels, self._rare_class_temperature
        )

    def _loader_options(self) -> dict[str, Any]:
        return {
            "num_workers": self._workers,
            "persistent_workers": self._workers > 0,
            "worker_init_fn": prepare_worker if self._world_size == 1 else prepare_rank_worker,
            "pin_memory": torch.cuda.is_available(),
            # Its own generator: a loader otherwise draws from the global one, as often as it
            # starts workers, and dropout would then depend on their number.
            "generator": torch.Generator().manual_seed(0),
        }

    def _get_dataset(self, split: str, *, training: bool) -> SegmentationDataset:
        known = self._datasets.get((split, training))
        if known is not None:
            return known
        report = self.report(split)
        dataset = SegmentationDataset(
            self.source,
            report.samples,
            short_side=self._short_side if training else self._eval_short_side,
            augmentation=self.augmentation if training else None,
        )
        if training:
            if self.augmentation.crop is None and self._batch_size > 1:
                check_equal_sizes(self._image_sizes(split), self._short_side)
            self.augmentation.check(*dataset.load(0))
        if self._cache is not None:
            title = f"Loading {self.source.name} {split}"
            self._cache.fill(dataset, f"split {split!r}", title, self._image_sizes(split))
        if training and self.augmentation.single_steps:
            warn_of_clipping(dataset, self.source)
        self._datasets[split, training] = dataset
        return dataset

    def _prepare_unlabelled(self, images: UnlabelledImages) -> None:
        """Verify, check and cache the images without labels."""
        self.unlabelled_report = report = verify_unlabelled(images.source)
        warn_of_scored_images(report, self.report("val").files)
        made = UnlabelledDataset(
            images,
            report.samples,
            self.source,
            short_side=self._short_side,
            augmentation=self.augmentation,
            seed=self._seed,
        )
        first, _ = made.loaded.load(0)
        if images.strong is not None:
            images.strong.check(first)
        if self._cache is not None:
            title = f"Loading {self.source.name} without labels"
            self._cache.fill(made.loaded, "set of images without labels", title, report.sizes)
        self._unlabelled_dataset = made

    def _image_sizes(self, split: str) -> list[tuple[int, int]]:
        return list(self.report(split).sizes.values())

    @property
    def _rank(self) -> int:
        return 0 if self.trainer is None else int(self.trainer.global_rank)

    @property
    def _world_size(self) -> int:
        return 1 if self.trainer is None else int(self.trainer.world_size)
