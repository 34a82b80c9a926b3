"""A batch that is scored piece by piece has the labels and the loss of the whole batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from segmentation_models_pytorch.losses import LovaszLoss
from torch import nn
from torch.nn import functional as F

from outtake.evaluation import enlarged_logits
from outtake.training.losses.cross_entropy import CrossEntropy
from outtake.training.losses.cross_entropy_dice import CrossEntropyDice, Dice
from outtake.training.losses.deep_supervision import DeepSupervision
from outtake.training.losses.library_loss import adapt_loss
from outtake.training.losses.ohem import OHEM
from outtake.training.losses.weighted_sum import WeightedSum
from outtake.training.piecewise_loss import PiecewiseLossWarning
from outtake.training.validation_batch import decide_labels

CLASSES, SIZE = 5, (40, 60)
FREQUENCIES = np.array([0.5, 0.2, 0.2, 0.1, 0.0])
LOSSES: dict[str, nn.Module] = {
    "cross entropy": CrossEntropy(),
    "weighted, smoothed": CrossEntropy(
        class_weights="log", frequencies=FREQUENCIES, label_smoothing=0.1
    ),
    "sum over the pixels": CrossEntropy(reduction="sum"),
    "dice": Dice(),
    "cross entropy and dice": CrossEntropyDice(dice_weight=0.5),
    "hard pixels": OHEM(threshold=0.3),
    "the hardest share": OHEM(threshold=1e-9, min_share=0.2),
    "the loss of the logits": DeepSupervision(OHEM(threshold=0.3)),
    "sum of losses": WeightedSum({"ce": CrossEntropy(), "hard": OHEM()}, {"hard": 0.3}),
}


def batch(labelled: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    logits = torch.randn(3, CLASSES, 10, 12) * 3
    truth = torch.randint(0, CLASSES - 1, (3, *SIZE), dtype=torch.uint8)  # one class is absent
    truth[torch.rand(truth.shape) < 0.2] = 255
    truth[0, :20] = 255  # whole pieces without a label
    return logits, truth if labelled else torch.full_like(truth, 255)


def in_groups(logits: torch.Tensor) -> list[tuple[slice, torch.Tensor]]:
    """Return the logits as a network gives them."""
    groups = enlarged_logits.group_images(len(logits), CLASSES, SIZE)
    return [(some, logits[some]) for some in groups]


@pytest.fixture
def small_stripes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enlarged_logits, "WHOLE_BYTES", 0)
    monkeypatch.setattr(enlarged_logits, "STRIPE_BYTES", CLASSES * SIZE[1] * 4 * 7)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.usefixtures("small_stripes")
def test_pieces_have_the_labels_and_the_loss_of_the_whole(name: str, labelled: bool) -> None:
    logits, truth = batch(labelled)
    loss = LOSSES[name].eval()
    large = F.interpolate(logits, size=SIZE, mode="bilinear", align_corners=False)
    predicted, value = decide_labels(in_groups(logits), truth, loss, 255)
    assert predicted.dtype == torch.uint8 and torch.equal(predicted.long(), large.argmax(1))
    parts = dict(getattr(loss, "parts", {}))
    assert value.item() == pytest.approx(loss(large, truth.long()).item(), rel=1e-5, abs=1e-7)
    for part, known in getattr(loss, "parts", {}).items():
        assert parts[part].item() == pytest.approx(known.item(), rel=1e-5, abs=1e-7)


def test_a_batch_of_ordinary_size_has_the_bits_of_one_call() -> None:
    logits, truth = batch()
    large = F.interpolate(logits, size=SIZE, mode="bilinear", align_corners=False)
    for loss in LOSSES.values():
        assert torch.equal(
            decide_labels(in_groups(logits), truth, loss, 255)[1], loss(large, truth.long())
        )


@pytest.mark.usefixtures("small_stripes")
def test_a_loss_that_needs_the_whole_batch_is_a_mean_and_says_so() -> None:
    logits, truth = batch()
    lovasz = adapt_loss(LovaszLoss("multiclass", ignore_index=255), 255)
    large = F.interpolate(logits, size=SIZE, mode="bilinear", align_corners=False)
    with pytest.warns(PiecewiseLossWarning, match="mean of LovaszLoss over pieces"):
        value = decide_labels(in_groups(logits), truth, lovasz, 255)[1]
    assert value.item() == pytest.approx(lovasz(large, truth.long()).item(), rel=0.1)
