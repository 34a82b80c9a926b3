"""In which order samples are seen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler


def mixed_seed(purpose: str, *numbers: int) -> int:
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
        rank: of this process.
        world_size: number of processes; each gets as many samples, and no sample of another.
    """

    def __init__(
        self,
        count: int,
        *,
        seed: int,
        samples_per_epoch: int | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self._count = count
        self._seed = seed
        self._rank = rank
        self._world_size = world_size
        self._per_rank = -(-(samples_per_epoch or count) // world_size)
        self._resumed: tuple[int, int] | None = None
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration gives; Lightning calls this."""
        self.epoch = epoch
        if self._resumed is not None and epoch > self._resumed[0]:
            self._resumed = None  # nothing of the epoch that was gone on with was left

    def resume(self, epoch: int, samples: int) -> None:
        """Let the next iteration, and only that, be an epoch without its first samples.

        It takes precedence over :meth:`set_epoch`, unless that is of a later epoch: processes of a
        loader draw the first samples before a run that goes on knows its epoch.
        """
        self._resumed = (epoch, samples)

    def __len__(self) -> int:
        return self._per_rank

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch, skipped = self._resumed or (self.epoch, 0)
        self._resumed = None
        first = epoch * self._per_rank * self._world_size + self._rank
        current, order = -1, self._order(0)
        for position in range(skipped, self._per_rank):
            number, offset = divmod(first + position * self._world_size, self._count)
            if number != current:
                current, order = number, self._order(number)
            yield number, int(order[offset])

    def _order(self, number: int) -> NDArray[np.int64]:
        draws = np.random.default_rng(mixed_seed("order", self._seed, number))
        return draws.permutation(self._count)


class EqualSizeBatches(Sampler[list[int]]):
    """Batches of consecutive samples of one size, in order, so that nothing is padded.

    Args:
        sizes: (height, width) of each sample.
        batch_size: the most samples in a batch.
        rank: of this process.
        world_size: number of processes; each gets every ``world_size``-th batch.
    """

    def __init__(
        self,
        sizes: Sequence[tuple[int, int]],
        batch_size: int,
        *,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self._batches: list[list[int]] = []
        for index, size in enumerate(sizes):
            last = self._batches[-1] if self._batches else []
            if last and len(last) < batch_size and sizes[last[0]] == size:
                last.append(index)
            else:
                self._batches.append([index])
        self._batches = self._batches[rank::world_size]

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[int]]:
        yield from self._batches
