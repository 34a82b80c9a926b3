from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from outtake.core.errors import ConfigError, UnknownClassError
from outtake.training.losses.cross_entropy import CrossEntropy, class_weights_from_frequencies


def test_the_loss_is_the_mean_over_valid_pixels() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(2, 3, 4, 5), torch.randint(0, 3, (2, 4, 5))
    target[0, 0] = 255
    ours = CrossEntropy()(logits, target)
    assert torch.allclose(ours, F.cross_entropy(logits, target, ignore_index=255))


def test_a_batch_without_a_label_has_loss_and_gradient_zero() -> None:
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    loss = CrossEntropy()(logits, torch.full((1, 4, 4), 255))
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad is not None and logits.grad.abs().sum() == 0


@pytest.mark.parametrize("weighting", ["log", "inverse"])
def test_rare_classes_weigh_more_and_absent_ones_nothing(weighting) -> None:
    frequencies = np.array([0.7, 0.25, 0.05, 0.0])
    weights = class_weights_from_frequencies(frequencies, weighting)
    assert weights[2] > weights[1] > weights[0] > 0
    assert weights[3] == 0
    assert (weights * frequencies).sum() == pytest.approx(1.0)


def test_class_weights_scale_the_sum_and_not_the_divisor() -> None:
    frequencies = np.array([0.75, 0.25])
    loss = CrossEntropy(class_weights="inverse", frequencies=frequencies)
    logits, rare = torch.zeros(1, 2, 2, 2), torch.ones(1, 2, 2, dtype=torch.long)
    weight = class_weights_from_frequencies(frequencies, "inverse")[1]
    assert loss(logits, rare).item() == pytest.approx(weight * np.log(2))


def test_a_factor_weighs_one_class_and_leaves_the_others() -> None:
    frequencies, names = np.array([0.75, 0.25]), ["road", "pole"]
    logits = torch.zeros(1, 2, 2, 2)
    target = torch.tensor([[[0, 0], [0, 1]]])
    for weighting in (None, "inverse"):
        given = {"class_weights": weighting, "frequencies": frequencies, "class_names": names}
        plain, weighed = CrossEntropy(**given), CrossEntropy(class_factors={"pole": 3}, **given)
        pole = torch.where(target == 0, 255, target)
        road = torch.where(target == 1, 255, target)
        assert weighed(logits, pole).item() == pytest.approx(3 * plain(logits, pole).item())
        assert weighed(logits, road).item() == pytest.approx(plain(logits, road).item())


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ({"poles": 2}, r"loss.class_factors: unknown class 'poles' \(did you mean 'pole'\?\)"),
        ({"pole": 0}, "loss.class_factors.pole=0: must be a number"),
        (3, "loss.class_factors=3: give a number for each class"),
    ],
)
def test_a_factor_of_no_class_or_of_nothing_is_one_line(
    factors: dict[str, float], message: str
) -> None:
    with pytest.raises((ConfigError, UnknownClassError), match=message):
        CrossEntropy(class_factors=factors, class_names=["road", "pole"])


def test_an_unknown_weighting_lists_the_known() -> None:
    for frequencies in (None, np.array([0.5, 0.5])):
        with pytest.raises(ConfigError, match="log, inverse"):
            CrossEntropy(class_weights="sqrt", frequencies=frequencies)


def test_the_papers_loss_is_the_sum_over_the_pixels_of_an_image() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(2, 3, 4, 5), torch.randint(0, 3, (2, 4, 5))
    target[0, :2] = 255
    loss = CrossEntropy(reduction="sum")
    expected = F.cross_entropy(logits, target, ignore_index=255, reduction="sum") / 2
    assert torch.allclose(loss(logits, target), expected)
    each = torch.stack([loss(logits[i : i + 1], target[i : i + 1]) for i in range(2)])
    assert torch.allclose(each.mean(), expected), "whatever the batch size"
    assert loss(logits, torch.full_like(target, 255)) == 0
    with pytest.raises(ConfigError, match=r"loss\.reduction=none: allowed are mean and sum"):
        CrossEntropy(reduction="none")


def test_the_sum_over_two_ranks_is_that_of_the_whole_batch(monkeypatch) -> None:
    logits, target = torch.randn(3, 2, 4, 4), torch.randint(0, 2, (3, 4, 4))
    whole = CrossEntropy(reduction="sum")(logits, target)
    module = "outtake.training.losses.cross_entropy"
    monkeypatch.setattr(f"{module}.world_size", lambda: 2)
    monkeypatch.setattr(f"{module}.all_reduce_sum", lambda count: torch.tensor(3))
    loss = CrossEntropy(reduction="sum")
    parts = loss(logits[:1], target[:1]) + loss(logits[1:], target[1:])
    assert torch.allclose(parts / 2, whole), "the mean over the ranks is taken of gradients"
