from __future__ import annotations

import pytest
import torch
from torch import nn

from outtake.core.errors import ConfigError
from outtake.training.losses.cross_entropy import CrossEntropy
from outtake.training.losses.weighted_sum import WeightedSum

LOGITS = torch.randn(2, 3, 4, 5, generator=torch.manual_seed(0))
TARGET = torch.randint(0, 3, (2, 4, 5), generator=torch.manual_seed(1))


def test_the_sum_is_weighted_and_the_parts_are_not() -> None:
    losses = {"ours": CrossEntropy(), "torch": nn.CrossEntropyLoss(ignore_index=255)}
    loss = WeightedSum(losses, {"torch": 0.5})
    value = loss(LOGITS, TARGET)
    one = nn.functional.cross_entropy(LOGITS, TARGET)
    torch.testing.assert_close(value, 1.5 * one)
    assert list(loss.parts) == ["ours", "torch"]
    for part in loss.parts.values():
        torch.testing.assert_close(part, one)
        assert not part.requires_grad


@pytest.mark.parametrize(
    ("losses", "weights", "message"),
    [
        ({}, {}, "name at least one loss"),
        (
            {"dice": CrossEntropy()},
            {"dise": 1.0},
            "loss.weights.dise: no such loss; there are dice",
        ),
        ({"dice": CrossEntropy()}, {"dice": -1.0}, "loss.weights.dice=-1.0: must be a number"),
    ],
)
def test_what_cannot_be_summed_is_said(losses: dict, weights: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        WeightedSum(losses, weights)
