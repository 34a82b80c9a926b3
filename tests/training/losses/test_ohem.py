from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from outtake.core.errors import ConfigError
from outtake.training.losses.ohem import OHEM

LOGITS = 3 * torch.randn(2, 3, 8, 8, generator=torch.manual_seed(0))
TARGET = torch.randint(0, 3, (2, 8, 8), generator=torch.manual_seed(1))
TARGET[0, 0] = 255


def pixel_losses() -> torch.Tensor:
    return F.cross_entropy(LOGITS, TARGET, ignore_index=255, reduction="none")[TARGET != 255]


def test_the_loss_is_the_mean_over_the_pixels_below_the_threshold() -> None:
    each = pixel_losses()
    hard = each[torch.exp(-each) < 0.7]
    assert len(each) > len(hard) > 0.1 * len(each)
    torch.testing.assert_close(OHEM(threshold=0.7, min_share=0.1)(LOGITS, TARGET), hard.mean())


def test_a_share_of_the_pixels_counts_however_sure_the_network_is() -> None:
    each = pixel_losses().sort(descending=True).values
    loss = OHEM(threshold=0.0, min_share=0.5)(LOGITS, TARGET)
    torch.testing.assert_close(loss, each[: len(each) // 2].mean())


def test_a_batch_without_a_label_has_loss_and_gradient_zero() -> None:
    logits = LOGITS.clone().requires_grad_()
    loss = OHEM()(logits, torch.full_like(TARGET, 255))
    loss.backward()
    assert loss.item() == 0.0 and logits.grad is not None and not logits.grad.any()


@pytest.mark.parametrize("options", [{"threshold": 1.5}, {"min_share": -0.1}])
def test_numbers_out_of_range_are_refused(options: dict) -> None:
    with pytest.raises(ConfigError, match=f"loss.{next(iter(options))}"):
        OHEM(**options)
