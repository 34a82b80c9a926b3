from __future__ import annotations

import numpy as np

from outtake.refine.refiner import Unrefined, refine_logits
from outtake.refine.smoother import Smooth


def softmax(logits: np.ndarray) -> np.ndarray:
    planes = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return planes / planes.sum(axis=-1, keepdims=True)


def test_logits_become_logarithms_of_refined_probabilities() -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (2, 12, 16, 3), np.uint8)
    logits = random.normal(0, 3, (2, 12, 16, 4)).astype(np.float32)
    left = refine_logits(Unrefined(), images, logits)
    assert left.flags.c_contiguous and np.allclose(np.exp(left), softmax(logits), atol=1e-5)
    refined = refine_logits(Smooth(), images, logits)
    planes = np.ascontiguousarray(softmax(logits[1]).transpose(2, 0, 1))
    expected = Smooth().refine(images[1], planes).transpose(1, 2, 0)
    assert np.allclose(np.exp(refined[1]), expected, atol=1e-5)


def test_a_picture_of_another_size_is_resized() -> None:
    """The members of an ensemble see pictures that are smaller than what it is given."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (1, 24, 32, 3), np.uint8)
    logits = random.normal(0, 3, (1, 12, 16, 4)).astype(np.float32)
    assert refine_logits(Smooth(), images, logits).shape == logits.shape


def test_what_is_no_number_does_not_spread() -> None:
    images, logits = np.zeros((1, 9, 9, 3), np.uint8), np.zeros((1, 9, 9, 2), np.float32)
    logits[..., 0] = 2
    logits[0, 4, 4] = np.nan
    found = refine_logits(Smooth(), images, logits)
    assert np.isfinite(found).all() and (found.argmax(axis=-1) == 0).all()
