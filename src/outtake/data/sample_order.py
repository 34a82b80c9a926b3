"""The order of samples, and how batches are divided among processes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

PADDING_INDEX = -1  # the index of a placeholder: no pixel of it is labelled


def derive_seed(purpose: str, *numbers: int) -> int:
    """Return a 128-bit seed that differs for every purpose and every tuple of numbers."""
    text = "/".join([purpose, *map(str, numbers)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")


def rare_class_shares(
    sample_class_pixels: NDArray[np.int64], temperature: float
) -> NDArray[np.float64]:
    """Return how often each sample is drawn where rare classes are to be seen more often.

    A class is drawn first, with a probability that is the softmax of ``(1 - frequency) /
    temperature``, then one of the samples that have it (Hoyer et al., "DAFormer", 2022, 3.2, who
    use a temperature of 0.01).

    Args:
        sample_class_pixels: The number of pixels of each class in each sample, int64 (N, classes).
        temperature: Small values prefer the rarest classes; large ones treat all classes alike.

    Returns:
        float64 (N,), sum 1. A sample without a labelled pixel has 0.
    """
    holds = sample_class_pixels > 0
    there = holds.any(axis=0)
    frequencies = sample_class_pixels.sum(axis=0) / sample_class_pixels.sum()
    scores = np.where(there, (1 - frequencies) / temperature, -np.inf)
    chances = np.exp(scores - scores.max())
    chances /= chances.sum()
    each = holds[:, there] / holds[:, there].sum(axis=0)
    return np.asarray(each @ chances[there], np.float64)


class SampleOrder:
    """Shuffled samples; the order is a function of (seed, epoch) and of nothing else.

    All passes over the data are one endless sequence of shuffled passes, and an epoch is a piece of
    it. So an epoch may be longer or shorter than a pass, and all samples are still seen equally
    often. With ``shares``, a pass is as many independent draws instead.

    A key is (pass, index): the pass travels to the workers with the index, so that their
    augmentation can depend on it, and no (pass, index) ever occurs twice. With ``shares``, where a
    pass may hold a sample several times, the place in the sequence travels in its stead.

    Args:
        count: The number of samples.
        seed: The seed of the order.
        samples_per_epoch: The length of an epoch; None is one pass.
        shares: How often each sample is drawn, float64 (count,), sum 1; None is equally often.
    """

    def __init__(
        self,
        count: int,
        *,
        seed: int,
        samples_per_epoch: int | None = None,
        shares: NDArray[np.float64] | None = None,
    ) -> None:
        self._count = count
        self._shares = shares
        self._seed = seed
        self._per_epoch = samples_per_epoch or count

    def __len__(self) -> int:
        return self._per_epoch

    def iter_epoch(self, epoch: int, skipped: int = 0) -> Iterator[tuple[int, int]]:
        """Yield the keys of an epoch, without the first ``skipped`` ones."""
        first = epoch * self._per_epoch
        current, order = -1, np.empty(0, np.int64)
        for position in range(first + skipped, first + self._per_epoch):
            number, offset = divmod(position, self._count)
            if number != current:
                current, order = number, self._shuffle(number)
            yield number if self._shares is None else position, int(order[offset])

    def _shuffle(self, pass_number: int) -> NDArray[np.int64]:
        draws = np.random.default_rng(derive_seed("order", self._seed, pass_number))
        if self._shares is None:
            return draws.permutation(self._count)
        return draws.choice(self._count, self._count, p=self._shares)


class DividedBatches:
    """Training batches, each divided among the processes of a run.

    All processes go through the same batches, and each takes every ``world_size``-th sample of a
    batch. So a step learns from the same samples whatever the number of processes; where a batch
    cannot be divided evenly, the first processes take one sample more.

    Args:
        order: The order of the samples of all processes together.
        batch_size: The size of the whole batch.
        rank: The rank of this process.
        world_size: The number of processes, at most the samples of the smallest batch.

    An incomplete batch at the end of an epoch is left out, unless it is the only one.
    """

    def __init__(
        self, order: SampleOrder, batch_size: int, *, rank: int = 0, world_size: int = 1
    ) -> None:
        self._order = order
        self._batch_size = min(batch_size, len(order))
        self.rank = rank
        self.world_size = world_size

    def __len__(self) -> int:
        return len(self._order) // self._batch_size

    def iter_epoch(self, epoch: int, skipped: int = 0) -> Iterator[list[tuple[int, int]]]:
        """Yield the keys of this process in each batch, without the first ``skipped`` batches."""
        keys = self._order.iter_epoch(epoch, skipped * self._batch_size)
        for _ in range(skipped, len(self)):
            yield list(islice(keys, self._batch_size))[self.rank :: self.world_size]


class SameSizeBatchSampler(Sampler[list[int]]):
    """Evaluation batches of consecutive samples of one size, so that nothing is padded.

    Processes take turns: no batch is given to two of them, and all get equally many, because they
    wait for each other. A process for which no batch is left gets a batch of ``PADDING_INDEX``.

    Args:
        sizes: The (height, width) of each sample.
        batch_size: The largest number of samples in a batch.
        rank: The rank of this process.
        world_size: The number of processes; each gets every ``world_size``-th batch.

    Attributes:
        all_batches: The batches of all processes, in order.
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
