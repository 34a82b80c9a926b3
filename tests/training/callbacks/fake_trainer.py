"""A trainer, a task and batches whose content is known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from outtake.core.labels import LabelSpace
from outtake.training.task import SegmentationTask

LABELS = LabelSpace.from_names(["road", "car", "sky"], [(90, 60, 90), (0, 0, 200), (120, 180, 230)])


class Seen:
    """A logger that keeps what it is shown."""

    def __init__(self) -> None:
        self.exhibits: list[tuple[Any, int]] = []

    def log_media(self, media: Any, step: int) -> None:
        self.exhibits.append((media, step))


def trainer(seen: Seen, **more: Any) -> Any:
    plain = {"is_global_zero": True, "sanity_checking": False, "current_epoch": 2}
    plain |= {"global_step": 30, "datamodule": None, "loggers": [object(), seen]}
    plain |= {"val_check_batch": 10, "num_training_batches": 10, "check_val_every_n_epoch": 1}
    plain |= {"fit_loop": fit_loop(10, 30)}
    return SimpleNamespace(**plain | more)


def fit_loop(of_epoch: int, of_run: int) -> Any:
    """Return a loop after so many batches."""
    tallies = {"current": SimpleNamespace(completed=of_epoch)}
    tallies["total"] = SimpleNamespace(completed=of_run)
    return SimpleNamespace(epoch_loop=SimpleNamespace(batch_progress=SimpleNamespace(**tallies)))


def make_task() -> SegmentationTask:
    return SegmentationTask(nn.Identity(), nn.Identity(), LABELS, nn.Identity())


def batch(masks: np.ndarray, first: int = 0) -> dict[str, torch.Tensor]:
    count, height, width = masks.shape
    dice = np.random.default_rng(0)
    image = dice.integers(0, 255, (count, 3, height // 2, width // 2), dtype=np.uint8)
    return {
        "image": torch.from_numpy(image),
        "mask": torch.from_numpy(masks.astype(np.int64)),
        "index": torch.arange(first, first + count),
    }


def wrong(masks: np.ndarray, shares: list[float]) -> torch.Tensor:
    """Predict the truth, but the first share of each image's rows as the next class."""
    predicted = masks.copy()
    for guess, share in zip(predicted, shares, strict=True):
        rows = round(share * len(guess))
        guess[:rows] = (guess[:rows] + 1) % 3
    return torch.from_numpy(predicted.astype(np.int64))
