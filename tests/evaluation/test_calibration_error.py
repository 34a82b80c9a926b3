"""Calibration, against a reference that goes through the bins by hand."""

from __future__ import annotations

import math

import numpy as np
import torch

from outtake.evaluation.calibration_error import (
    BINS,
    confidence_histogram,
    expected_calibration_error,
    predicted_confidence,
)


def reference(sure: np.ndarray, right: np.ndarray) -> float:
    error = 0.0
    for k in range(BINS):
        inside = (sure > k / BINS) & (sure <= (k + 1) / BINS)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    return error


def test_the_error_equals_a_ten_line_reference() -> None:
    torch.manual_seed(0)
    for _ in range(20):
        logits = torch.randn(2, 4, 9, 11) * 3
        truth = torch.randint(0, 4, (2, 9, 11))
        truth[torch.rand(truth.shape) < 0.2] = 255
        predicted, sure = logits.argmax(1), predicted_confidence(logits)
        torch.testing.assert_close(sure, logits.softmax(1).amax(1))
        tables = np.stack(
            [
                confidence_histogram(s, p, t, 255)
                for s, p, t in zip(sure, predicted, truth, strict=True)
            ]
        )
        known = (truth != 255).numpy()
        wanted = reference(sure.numpy()[known].astype(float), (predicted == truth).numpy()[known])
        assert math.isclose(expected_calibration_error(tables.sum(0)), wanted, abs_tol=1e-6)
        assert tables[:, 0].sum() == known.sum()


def test_certainty_falls_into_the_last_bin_and_no_pixel_means_no_error() -> None:
    ones, zeros = torch.ones(3, 3), torch.zeros(3, 3, dtype=torch.long)
    table = confidence_histogram(ones, zeros, zeros, 255)
    assert table[0, -1] == 9 and table[2, -1] == 9
    assert expected_calibration_error(table) == 0
    nothing = confidence_histogram(ones, zeros, zeros + 255, 255)
    assert math.isnan(expected_calibration_error(nothing))
