"""The state of every random generator that training may draw from."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer, seed_everything


def random_state() -> dict[str, Any]:
    """Return the states of Python, NumPy, torch and CUDA: plain containers and tensors."""
    name, key, position, has_gauss, gauss = np.random.get_state(legacy=True)
    version, numbers, gauss_next = random.getstate()
    return {
        "python": [version, list(numbers), gauss_next],
        "numpy": [str(name), np.asarray(key).tolist(), int(position), int(has_gauss), float(gauss)],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Restore what :func:`random_state` gave; devices that are not here are left out."""
    version, numbers, gauss_next = state["python"]
    random.setstate((version, tuple(numbers), gauss_next))
    name, key, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((name, np.array(key, np.uint32), position, has_gauss, gauss))
    torch.set_rng_state(state["torch"])
    here = torch.cuda.device_count() if torch.cuda.is_available() else 0
    for index, device_state in enumerate(state["cuda"][:here]):
        torch.cuda.set_rng_state(device_state, index)


@contextmanager
def keep_random_state() -> Iterator[None]:
    """Leave every random generator as it was before the block."""
    state = random_state()
    try:
        yield
    finally:
        restore_random_state(state)


class SeedEachRank(Callback):
    """Give each rank random numbers of its own once the networks, which must be equal, are made.

    With one seed, dropout would leave out the same places in the images of every rank. The first
    rank draws what a single process does.

    Args:
        seed: The seed of the run.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Seed anew, before a resumed run restores its random state."""
        if trainer.global_rank:
            mixed = (self._seed + 1_000_003 * trainer.global_rank) % 2**32
            seed_everything(mixed, workers=True, verbose=False)
