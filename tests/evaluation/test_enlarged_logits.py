"""Stripes of enlarged logits: what torch enlarges, in memory that labels do not decide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from outtake.evaluation import enlarged_logits
from outtake.evaluation.enlarged_logits import group_images, iter_enlarged, iter_predicted
from outtake.evaluation.evaluator import Evaluator
from outtake.training.losses.cross_entropy import CrossEntropy
from outtake.training.validation_batch import decide_labels


class LargestTensor(TorchDispatchMode):
    """Notes the bytes of the largest tensor that any operation makes."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.bytes = max(self.bytes, made.untyped_storage().nbytes())
        return made


@pytest.fixture
def small_stripes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything be enlarged in stripes."""
    monkeypatch.setattr(enlarged_logits, "WHOLE_BYTES", 0)
    monkeypatch.setattr(enlarged_logits, "STRIPE_BYTES", 64 * 1024)


@pytest.mark.parametrize(
    ("small", "large"),
    [((30, 40), (97, 131)), ((36, 48), (360, 480)), ((100, 90), (60, 70)), ((2, 7), (13, 50))],
)
@pytest.mark.usefixtures("small_stripes")
def test_a_stripe_is_what_torch_enlarges(small: tuple[int, int], large: tuple[int, int]) -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 19, *small) * 5
    whole = F.interpolate(logits, size=large, mode="bilinear", align_corners=False)
    seen = torch.zeros(2, *large, dtype=torch.int64)
    for piece in iter_enlarged(logits, large):
        known = whole[piece.images, :, piece.rows]
        torch.testing.assert_close(piece.logits, known, rtol=0, atol=4e-6)  # two steps of rounding
        assert torch.equal(piece.logits.argmax(1), known.argmax(1))
        piece.of(seen).add_(1)
    assert (seen == 1).all(), "every pixel once"


def test_small_batches_are_whole_and_larger_ones_image_by_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logits, size = torch.zeros(3, 4, 8, 8), (16, 20)
    assert [piece.images for piece in iter_enlarged(logits, size)] == [slice(0, 3)]
    monkeypatch.setattr(enlarged_logits, "WHOLE_BYTES", 4 * 16 * 20 * 4)
    each = [slice(0, 1), slice(1, 2), slice(2, 3)]
    assert [piece.images for piece in iter_enlarged(logits, size)] == each
    assert group_images(3, 4, size) == each


@pytest.mark.usefixtures("small_stripes")
@pytest.mark.parametrize("images", [1, 4])
def test_scoring_makes_no_tensor_that_grows_with_classes_and_labels(images: int) -> None:
    torch.manual_seed(0)
    size, classes = (150, 200), 60
    logits = torch.randn(images, classes, 12, 16)
    truth = torch.randint(0, classes, (images, *size), dtype=torch.uint8)
    pictures = torch.zeros(images, 3, 24, 32, dtype=torch.uint8)
    with LargestTensor() as scoring:
        Evaluator(classes, 255).add(logits, truth, pictures, torch.arange(images))
    labels = size[0] * size[1] * 8  # one int64 map
    assert scoring.bytes <= labels, "of one image, whatever the batch"
    with LargestTensor() as validation:
        decide_labels([(slice(0, images), logits)], truth, CrossEntropy(), 255)
    assert validation.bytes <= labels


def test_a_network_sees_images_of_large_labels_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    images, size = torch.zeros(3, 3, 8, 8, dtype=torch.uint8), (16, 20)
    seen: list[int] = []

    def predict(some: torch.Tensor) -> torch.Tensor:
        seen.append(len(some))
        return torch.zeros(len(some), 4, 8, 8)

    assert [some for some, _ in iter_predicted(predict, images, 4, size)] == [slice(0, 3)]
    monkeypatch.setattr(enlarged_logits, "WHOLE_BYTES", 4 * 16 * 20 * 4)
    assert len(list(iter_predicted(predict, images, 4, size))) == 3
    assert seen == [3, 1, 1, 1]


def test_an_evaluation_in_stripes_counts_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    logits = torch.randn(3, 7, 12, 16) * 3
    truth = torch.randint(0, 7, (3, 90, 120), dtype=torch.uint8)
    truth[torch.rand(truth.shape) < 0.1] = 255
    pictures, indices = torch.zeros(3, 3, 24, 32, dtype=torch.uint8), torch.arange(3)
    whole, parts = Evaluator(7, 255), Evaluator(7, 255)
    whole.add(logits, truth, pictures, indices)
    monkeypatch.setattr(enlarged_logits, "WHOLE_BYTES", 0)
    monkeypatch.setattr(enlarged_logits, "STRIPE_BYTES", 7 * 120 * 4 * 11)
    parts.add(logits, truth, pictures, indices)
    assert np.array_equal(whole.confusion, parts.confusion)
    assert np.array_equal(whole.counts_per_image, parts.counts_per_image)
    assert np.allclose(whole.calibration_bins, parts.calibration_bins, rtol=1e-6)
    assert np.array_equal(whole.boundary_f_scores, parts.boundary_f_scores, equal_nan=True)
    assert parts.indices == [0, 1, 2]
