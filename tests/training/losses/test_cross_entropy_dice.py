from __future__ import annotations

import numpy as np
import pytest
import torch

from outtake.training.losses.cross_entropy_dice import CrossEntropyDice


def test_dice_is_that_of_the_batch_and_both_parts_are_kept() -> None:
    rng = np.random.default_rng(3)
    logits = torch.from_numpy(rng.normal(size=(2, 3, 4, 5))).float().requires_grad_()
    target = torch.from_numpy(rng.integers(0, 2, (2, 4, 5)))
    target[0, 0] = 255
    loss = CrossEntropyDice(ignore_index=255, dice_weight=0.5)
    value = loss(logits, target)
    assert value.requires_grad
    valid = target != 255
    shares = logits.detach().softmax(1).movedim(1, -1)[valid].numpy()
    truth = np.eye(3)[target[valid].numpy()]
    overlap, sums = (shares * truth).sum(0), shares.sum(0) + truth.sum(0)
    # No pixel is of the third class: it counts as 0.
    expected = (1 - 2 * overlap / sums)[:2].sum() / 3
    assert float(loss.parts["dice"]) == pytest.approx(expected, abs=1e-5)
    entropy = -np.log((shares * truth).sum(1)).mean()
    assert float(loss.parts["cross_entropy"]) == pytest.approx(entropy, abs=1e-5)
    assert value.item() == pytest.approx(entropy + 0.5 * expected, abs=1e-5)
    value.backward()
    assert not any(part.requires_grad for part in loss.parts.values())
    assert (logits.grad[0, :, 0] == 0).all(), "unlabelled pixels are not trained on"
