from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from outtake.evaluation.enlarged_logits import iter_enlarged
from outtake.inference.open_backend import open_backend
from outtake.inference.predict_logits import open_predict_logits
from outtake.refine.refiner import refine_logits
from outtake.refine.smoother import Smooth
from tests.inference.trained import TrainedCheckpoint, make_pictures, trained_task

CPU = torch.device("cpu")
LABEL_SIZE = (96, 128)


@dataclass(frozen=True)
class Several:
    """What several loaded checkpoints offer."""

    members: tuple[TrainedCheckpoint, ...]
    short_side: int | None = 48
    channels: int = 3


def checkpoint(seed: int | None = None) -> TrainedCheckpoint:
    """Return the trained network, or one that differs from it."""
    task = deepcopy(trained_task())
    if seed is not None:
        torch.manual_seed(seed)
        for weight in task.net.parameters():
            weight.data += 0.3 * weight.std() * torch.randn_like(weight)
    return TrainedCheckpoint(task, Path("net.ckpt"))


def batch() -> tuple[np.ndarray, torch.Tensor]:
    images, _ = make_pictures(3, 77)
    return images, torch.from_numpy(images).permute(0, 3, 1, 2)


def test_one_pass_is_that_of_training() -> None:
    one, (_, tensor) = checkpoint(), batch()
    with torch.inference_mode():
        found = open_predict_logits(one, CPU)(tensor)
        assert torch.equal(found, one.task.predict(tensor))
        mirrored = open_predict_logits(one, CPU, flip=True)(tensor)
        assert torch.equal(mirrored, one.task.predict(tensor, flip=True))


@torch.inference_mode()
def test_an_ensemble_gives_the_mean_of_probabilities() -> None:
    several, (_, tensor) = Several((checkpoint(), checkpoint(1), checkpoint(2))), batch()
    found = open_predict_logits(several, CPU)(tensor).softmax(1)
    each = [member.task.predict(tensor).softmax(1) for member in several.members]
    assert torch.allclose(found, sum(each) / 3, atol=1e-5)
    assert not torch.allclose(found, each[0], atol=0.05)


def enlarge(logits: torch.Tensor) -> torch.Tensor:
    return next(iter_enlarged(logits, LABEL_SIZE)).logits


OPTIONS = (
    {},
    {"flip": True},
    {"scales": [0.75, 1.5], "flip": True},
    {"window": [32, 40], "overlap": 0.5},
)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("networks", [1, 2])
def test_what_is_averaged_means_the_same_in_scores_and_in_use(networks: int, options) -> None:
    trained = checkpoint() if networks == 1 else Several((checkpoint(), checkpoint(1)))
    images, tensor = batch()
    with torch.inference_mode():
        scored = enlarge(open_predict_logits(trained, CPU, **options)(tensor))
        used, sure = open_backend("torch", trained, device="cpu", confidence=True, **options)(
            images, LABEL_SIZE
        )
        plain = enlarge(open_predict_logits(trained, CPU)(tensor))
    assert (scored.argmax(1).numpy() == used).mean() > 0.9999
    assert abs(scored.softmax(1).max(1).values.numpy() - sure).mean() < 0.01
    assert not options or not torch.equal(scored, plain)


def test_scores_and_backends_refine_alike() -> None:
    one, (images, tensor) = checkpoint(), batch()
    refiner = Smooth()
    with torch.inference_mode():
        found = open_predict_logits(one, CPU, refiner=refiner)(tensor).permute(0, 2, 3, 1).numpy()
        plain = open_predict_logits(one, CPU)(tensor).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(found, refine_logits(refiner, images, plain))
    backend = open_backend("torch", one, device="cpu", refiner=refiner, confidence=True)
    labels, sure = backend(images, found.shape[1:3])
    assert np.array_equal(labels, found.argmax(axis=-1))
    assert sure is not None and np.allclose(sure, np.exp(found.max(axis=-1)), atol=1e-3)
    assert np.abs(found - plain).max() > 0.1
    # A picture's labels depend on it alone, whatever it is in a batch with.
    alone, _ = backend(images[1:2], found.shape[1:3])
    assert np.array_equal(alone[0], labels[1])
