"""Losses of libraries, each built from its config alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from torch import nn
from torch.nn import functional as F

from outtake.config.build_task import build_loss
from outtake.config.compose import compose
from outtake.core.errors import ConfigError
from outtake.core.labels import LabelSpace
from outtake.training.losses.library_loss import LibraryLoss, adapt_loss

LABELS = LabelSpace.from_names(["a", "b", "c"])
LOGITS = torch.randn(2, 3, 6, 5, generator=torch.manual_seed(0))
TARGET = torch.randint(0, 3, (2, 6, 5), generator=torch.manual_seed(1))
UNLABELLED = TARGET.clone()
UNLABELLED[0, :2] = 255
SMP = "segmentation_models_pytorch.losses."
TARGETS = [
    "torch.nn.CrossEntropyLoss",
    *(f"{SMP}{name}Loss" for name in ("Focal", "Jaccard", "Tversky", "Lovasz", "MCC", "Dice")),
]


def build(target: str, **options: object) -> nn.Module:
    return build_loss(OmegaConf.create({"_target_": target, **options}), LABELS)


@pytest.mark.parametrize("target", TARGETS)
def test_a_loss_of_a_library_needs_its_name_only(target: str) -> None:
    loss = build(target)
    logits = LOGITS.clone().requires_grad_()
    value = loss(logits, UNLABELLED)
    value.backward()
    assert value.dim() == 0 and logits.grad is not None and logits.grad.isfinite().all()
    assert logits.grad.any() and not logits.grad[0, :, :2].any(), "unlabelled pixels count nowhere"
    right = 20 * F.one_hot(TARGET, 3).movedim(-1, 1).float() - 10
    assert loss(right, TARGET) < 0.01 < value


@pytest.mark.parametrize("target", TARGETS)
def test_a_batch_without_a_label_has_loss_and_gradient_zero(target: str) -> None:
    logits = LOGITS.clone().requires_grad_()
    value = build(target)(logits, torch.full_like(TARGET, 255))
    value.backward()
    assert value.item() == 0.0 and logits.grad is not None and not logits.grad.any()


@pytest.mark.parametrize("target", [f"{SMP}FocalLoss", f"{SMP}TverskyLoss"])
@pytest.mark.parametrize("sure", [20.0, 100.0])
def test_an_exponent_below_1_has_a_gradient_where_all_is_right(target: str, sure: float) -> None:
    loss: Any = build(target, gamma=0.5)
    logits = (2 * sure * F.one_hot(TARGET, 3).movedim(-1, 1).float() - sure).requires_grad_()
    value = loss(logits, TARGET)
    value.backward()
    assert value < 1e-3 and logits.grad is not None and not logits.grad.any()
    wrong = LOGITS.clone().requires_grad_()
    with torch.no_grad():
        wrong[0, :, 0] = logits[0, :, 0]  # and where a part is, the rest is learnt from
    loss(wrong, TARGET).backward()
    assert wrong.grad is not None and wrong.grad.isfinite().all() and wrong.grad[1].any()
    plain = LOGITS.clone().requires_grad_()
    loss.loss(plain, TARGET).backward()
    again = LOGITS.clone().requires_grad_()
    loss(again, TARGET).backward()
    assert plain.grad is not None and again.grad is not None
    assert torch.equal(plain.grad, again.grad)


def test_a_gradient_of_a_loss_that_is_not_finite_stays_as_it_is() -> None:
    loss = build(f"{SMP}FocalLoss", gamma=0.5)
    logits = LOGITS.clone()
    logits[0, 0, 0, 0] = float("inf")
    logits.requires_grad_()
    value = loss(logits, TARGET)
    value.backward()
    assert not value.isfinite() and logits.grad is not None and not logits.grad.isfinite().all()


def test_a_mean_over_images_knows_images_without_a_label() -> None:
    loss = build(f"{SMP}LovaszLoss", per_image=True)
    half = TARGET.clone()
    half[0] = 255
    logits = LOGITS.clone().requires_grad_()
    value = loss(logits, half)
    value.backward()
    assert value.item() == pytest.approx(loss(LOGITS[1:], TARGET[1:]).item() / 2)
    assert logits.grad is not None and logits.grad[1].any() and not logits.grad[0].any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_half_precision_is_raised_and_double_is_kept(dtype: torch.dtype) -> None:
    value = build(f"{SMP}FocalLoss")(LOGITS.to(dtype), TARGET)
    assert value.dtype == torch.promote_types(dtype, torch.float32)


def test_mcc_is_the_mean_over_the_classes_in_the_batch() -> None:
    target = TARGET.clamp(max=1)
    each = []
    for label in (0, 1):
        guess = LOGITS.softmax(1)[:, label].double().numpy().ravel()
        truth = (target == label).numpy().ravel().astype(float)
        tp, tn = (guess * truth).sum(), ((1 - guess) * (1 - truth)).sum()
        fp, fn = (guess * (1 - truth)).sum(), ((1 - guess) * truth).sum()
        product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
        each.append(1 - (tp * tn - fp * fn) / np.sqrt(product))
    value = build(f"{SMP}MCCLoss", eps=0.0)(LOGITS, target)
    assert value.item() == pytest.approx(np.mean(each), abs=1e-5)


class NoIgnoreIndex(nn.Module):
    """A loss that fails at a label that is no class."""

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        self.shape = tuple(logits.shape)
        return F.cross_entropy(logits, target)


def test_a_loss_without_ignore_index_sees_labelled_pixels_only() -> None:
    own = NoIgnoreIndex()
    loss = adapt_loss(own, 255)
    torch.testing.assert_close(
        loss(LOGITS, UNLABELLED), F.cross_entropy(LOGITS, UNLABELLED, ignore_index=255)
    )
    assert own.shape == (1, 3, 1, 50)
    loss(LOGITS, TARGET)
    assert own.shape == (2, 3, 6, 5), "where every pixel has a label, images keep their shape"


def test_a_loss_that_is_no_scalar_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"CrossEntropyLoss gives a tensor .* scalar"):
        build("torch.nn.CrossEntropyLoss", reduction="none")(LOGITS, TARGET)


def test_what_the_config_says_wins_over_what_the_data_says() -> None:
    loss = build("torch.nn.CrossEntropyLoss", ignore_index=1, label_smoothing=0.1)
    assert isinstance(loss, LibraryLoss) and isinstance(loss.loss, nn.CrossEntropyLoss)
    assert loss.loss.ignore_index == 1 and loss.loss.label_smoothing == 0.1


def test_a_custom_loss_is_named_on_the_command_line() -> None:
    given = ["loss=custom", "loss._target_=torch.nn.CrossEntropyLoss", "+loss.label_smoothing=0.1"]
    loss = build_loss(compose("train", given).loss, LABELS)
    assert isinstance(loss, LibraryLoss) and isinstance(loss.loss, nn.CrossEntropyLoss)
    assert loss.loss.label_smoothing == 0.1


@pytest.mark.parametrize(
    "option", ["cross_entropy_dice", "focal", "lovasz", "tversky", "ohem", "weighted_sum"]
)
def test_every_option_composes_and_gives_a_gradient(option: str) -> None:
    loss = build_loss(compose("train", [f"loss={option}"]).loss, LABELS, np.full(3, 1 / 3))
    logits = LOGITS.clone().requires_grad_()
    loss(logits, UNLABELLED).backward()
    assert logits.grad is not None and logits.grad.any()


def test_losses_inside_a_sum_are_built_likewise() -> None:
    sum_of_two = {
        "_target_": "outtake.training.losses.weighted_sum.WeightedSum",
        "losses": {
            "focal": {"_target_": f"{SMP}FocalLoss", "gamma": 1.0},
            "weighted": {
                "_target_": "outtake.training.losses.cross_entropy.CrossEntropy",
                "class_weights": "inverse",
            },
        },
        "weights": {"focal": 2.0},
    }
    frequencies = np.array([0.5, 0.3, 0.2])
    loss = build_loss(OmegaConf.create(sum_of_two), LABELS, frequencies)
    value = loss(LOGITS, UNLABELLED)
    focal = build(f"{SMP}FocalLoss", gamma=1.0)(LOGITS, UNLABELLED)
    torch.testing.assert_close(loss.parts["focal"], focal)
    torch.testing.assert_close(value, 2 * focal + loss.parts["weighted"])
