"""In which order samples are seen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

PADDING_INDEX = -1  # index of a sample that stands for none: no pixel of it is labelled


def derive_seed(purpose: str, *numbers: int) -> int:
    """Return a 128-bit seed that differs for every purpose and every tuple of numbers."""
    text = "/".join([purpose, *map(str, numbers)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")


class EpochSampler(Sampler[tuple[int, int]]):
    """Shuffled samples; the order is a function of (seed, epoch) and of nothing else.

    All passes over the data are one endless sequence of shuffled passes, and an epoch is a
    piece of it. So an epoch may be longer or shorter than a pass, and yet all samples are
    seen equally often.

    Iterating gives (pass, index): the pass travels to the workers with the index, so that
    their augmentation can depend on it, and no (pass, index) ever comes twice.

    Args:
        count: how many samples there are.
        seed: of the order.
        samples_per_epoch: None is one pass.
    """

    def __init__(
        self,
        count: int,
        *,
        seed: int,
        samples_per_epoch: int | None = None,
    ) -> None:
        self._count = count
        self._seed = seed
        self._per_epoch = samples_per_epoch or count
        self._start: tuple[int, int] | None = None
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration gives; Lightning calls this."""
        self.epoch = epoch
        if self._start is not None and epoch > self._start[0]:
            self._start = None  # nothing of the epoch that was gone on with was left

    def start_at(self, epoch: int, samples: int) -> None:
        """Let the next iteration, and only that, be an epoch without its first samples.

        It takes precedence over :meth:`set_epoch`, unless that is of a later epoch: processes of a
        loader draw the first samples before a run that goes on knows its epoch.
        """
        self._start = (epoch, samples)

    def __len__(self) -> int:
        return self._per_epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch, skipped = self._start or (self.epoch, 0)
        self._start = None
        first = epoch * self._per_epoch
        current, order = -1, self._shuffle(0)
        for position in range(skipped, self._per_epoch):
            number, offset = divmod(first + position, self._count)
            if number != current:
                current, order = number, self._shuffle(number)
            yield number, int(order[offset])

    def _shuffle(self, pass_number: int) -> NDArray[np.int64]:
        draws = np.random.default_rng(derive_seed("order", self._seed, pass_number))
        return draws.permutation(self._count)


class DistributedBatchSampler(Sampler[list[tuple[int, int]]]):
    """Batches of training, each divided among the processes of a run.

    Every process counts the same batches, and takes every ``world_size``-th sample of each. So
    what a step learns from does not depend on how many processes there are; where a batch can not
    be divided evenly, the first ones take a sample more.

    Args:
        sampler: gives the samples of all processes; Lightning tells it the epoch.
        batch_size: of the whole batch.
        rank: of this process.
        world_size: number of processes, at most the samples of the smallest batch.

    The samples that are too few for a batch at the end of an epoch are left out, unless they are
    all that there is.
    """

    def __init__(
        self, sampler: EpochSampler, batch_size: int, *, rank: int = 0, world_size: int = 1
    ) -> None:
        self.sampler = sampler
        self._batch_size = min(batch_size, len(sampler))
        self._rank = rank
        self._world_size = world_size

    def __len__(self) -> int:
        return len(self.sampler) // self._batch_size

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        batch: list[tuple[int, int]] = []
        for key in self.sampler:
            batch.append(key)
            if len(batch) == self._batch_size:
                yield batch[self._rank :: self._world_size]
                batch = []


class SameSizeBatchSampler(Sampler[list[int]]):
    """Batches of consecutive samples of one size, in order, so that nothing is padded.

    Processes take turns: each has batches that no other has, and all have as many, because they
    wait for each other. Where there is none left for one, it gets a batch of ``PADDING_INDEX``.

    Args:
        sizes: (height, width) of each sample.
        batch_size: the most samples in a batch.
        rank: of this process.
        world_size: number of processes; each gets every ``world_size``-th batch.

    Attributes:
        all_batches: every process's batches, in order.
    """

    def __init__(
        self,
        sizes: Sequence[tuple[int, int]],
        batch_size: int,
        *,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.all_batches: list[list[int]] = []
        for index, size in enumerate(sizes):
            last = self.all_batches[-1] if self.all_batches else []
            if last and len(last) < batch_size and sizes[last[0]] == size:
                last.append(index)
            else:
                self.all_batches.append([index])
        turns = -(-len(self.all_batches) // world_size)
        own = self.all_batches[rank::world_size]
        self._batches = own + [[PADDING_INDEX]] * (turns - len(own))

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[int]]:
        yield from self._batches
