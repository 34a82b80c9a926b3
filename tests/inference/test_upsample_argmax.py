import numpy as np
import pytest
import torch
from torch.nn import functional as F

from outtake.inference.upsample_argmax import upsample_argmax


def smooth(height, width, classes, *, cell):
    """Logits with regions of about ``cell`` pixels."""
    torch.manual_seed(height * width)
    coarse = torch.randn(1, classes, height // cell + 2, width // cell + 2) * 4
    fine = F.interpolate(coarse, size=(height, width), mode="bilinear")
    return fine[0].permute(1, 2, 0).contiguous().numpy()


def dense(logits, size):
    planes = torch.from_numpy(logits).permute(2, 0, 1)[None]
    return F.interpolate(planes, size=size, mode="bilinear", align_corners=False)[0]


SIZES = [(135, 240), (90, 121), (45, 80), (44, 79), (20, 33), (90, 40), (1, 1)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cell", [12, 2], ids=["large regions", "hardly any"])
def test_labels_are_the_argmax_of_enlarged_logits(size, cell):
    logits = smooth(45, 80, 7, cell=cell)
    before = logits.copy()
    labels, confidence = upsample_argmax(logits, size)
    truth = dense(logits, size)
    assert labels.dtype == np.uint8 and labels.shape == size and confidence is None
    differ = labels != truth.argmax(0).numpy()
    top = truth.topk(2, dim=0).values
    assert (top[0] - top[1]).numpy()[differ].max(initial=0) < 1e-4, "more than a rounding tie"
    assert differ.mean() < 1e-3
    assert np.array_equal(logits, before)


@pytest.mark.parametrize("size", SIZES)
def test_confidence_is_the_probability_of_the_label(size):
    logits = smooth(45, 80, 5, cell=12)
    labels, confidence = upsample_argmax(logits, size, confidence=True)
    assert confidence.dtype == np.float32 and confidence.shape == size
    probability = dense(logits, size).softmax(0).numpy()
    truth = np.take_along_axis(probability, labels[None].astype(int), 0)[0]
    assert np.abs(confidence - truth).max() < 0.1
    assert np.abs(confidence - truth).mean() < 0.005
    assert confidence.min() >= 1 / 5 - 1e-3 and confidence.max() <= 1 + 1e-6


def test_a_single_row_column_or_class_boundary_is_enough():
    for shape in [(1, 9, 3), (9, 1, 3), (1, 1, 2)]:
        logits = np.random.default_rng(1).normal(size=shape).astype(np.float32)
        labels, _ = upsample_argmax(logits, (20, 30))
        assert np.array_equal(labels, dense(logits, (20, 30)).argmax(0).numpy())
