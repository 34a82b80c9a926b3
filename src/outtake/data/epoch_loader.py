"""A loader of training batches that does not pause between two epochs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any, Protocol

from torch.utils.data import DataLoader, Dataset, Sampler


class EpochBatches(Protocol):
    """The batches of a training: those of an epoch follow from its number alone."""

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""

    def iter_epoch(self, epoch: int, skipped: int = 0) -> Iterator[list[Any]]:
        """Yield the keys of each batch of an epoch, without the first ``skipped`` batches."""


class EndlessBatches(Sampler[list[Any]]):
    """The batches from a place on, over all epochs.

    Args:
        batches: The batches of every epoch.
    """

    def __init__(self, batches: EpochBatches) -> None:
        self._batches = batches
        self._start: tuple[int, int] | None = None
        self._begin = (0, 0)
        self.epoch = 0

    @property
    def sampler(self) -> EndlessBatches:
        """What Lightning sets the epoch of."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration; Lightning calls this."""
        self.epoch = epoch
        if self._start is not None and epoch > self._start[0]:
            self._start = None  # nothing of the resumed epoch was left

    def start_at(self, epoch: int, batches: int) -> None:
        """Let the next iteration, and only that, skip the first batches of an epoch.

        It takes precedence over :meth:`set_epoch`, unless that sets a later epoch: what resumes a
        run may say its place before Lightning says its epoch.
        """
        self._start = (epoch, batches)

    def take_place(self) -> tuple[int, int]:
        """Return the epoch of the next iteration and how many of its batches are skipped."""
        place = self._start or (self.epoch, 0)
        self._start = None
        return place

    def begin_at(self, place: tuple[int, int]) -> None:
        """Let ``iter`` begin there."""
        self._begin = place

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[Any]]:
        epoch, skipped = self._begin
        yield from self._batches.iter_epoch(epoch, skipped)
        for later in count(epoch + 1):
            yield from self._batches.iter_epoch(later)


class EpochLoader(DataLoader[Any]):
    """Yields the batches of one epoch, while its workers go on with those of the next.

    A loader of torch begins anew with each epoch: nothing is ready then, and a GPU waits until the
    first batch is made. Here the workers go through all epochs, and are asked to begin elsewhere
    only where the next iteration does not begin where the last one ended.

    Args:
        dataset: Maps a key of a batch to a sample.
        batches: The batches of every epoch.
        options: Further arguments of ``DataLoader``.
    """

    batch_sampler: EndlessBatches

    def __init__(self, dataset: Dataset[Any], batches: EpochBatches, **options: Any) -> None:
        super().__init__(dataset, batch_sampler=EndlessBatches(batches), **options)
        self._alone: Iterator[Any] | None = None  # what makes batches where no worker does
        self._place: tuple[int, int] | None = None  # of the next batch; None: not known

    # torch says that this returns its own iterator class, and uses no more than an iterator.
    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        epoch, skipped = self.batch_sampler.take_place()
        # Lightning forgets the iterator whose workers it has ended.
        running = self._iterator if self.persistent_workers else self._alone
        if running is None or self._place != (epoch, skipped):
            self.batch_sampler.begin_at((epoch, skipped))
            running = super().__iter__()
            self._alone = None if self.persistent_workers else running
            self._place = (epoch, skipped)
        each = len(self.batch_sampler)
        for number in range(skipped, each):
            if self._place != (epoch, number):
                raise RuntimeError("a later iteration of this loader has begun")
            self._place = None  # until the batch is there
            batch = next(running)
            self._place = (epoch, number + 1) if number + 1 < each else (epoch + 1, 0)
            yield batch
