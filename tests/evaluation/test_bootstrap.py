"""The bootstrap, against references of a few lines."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import t

from outtake.evaluation.bootstrap import MIN_UNITS, Bootstrap
from outtake.evaluation.metrics import score_counts, scores, tp_true_pred_counts
from tests.evaluation.test_confusion_matrix import count_each, label_maps


def test_the_bootstrap_scores_the_summed_matrices_of_the_images_drawn() -> None:
    rng = np.random.default_rng(2)
    truth, guess = label_maps(rng, 12, 4)
    matrices = count_each(truth, guess, 4)
    boot = Bootstrap(resamples=50, seed=3)
    got = boot.resample_scores(
        tp_true_pred_counts(matrices).astype(float), lambda sums: score_counts(sums)["miou"]
    )
    draws = np.random.default_rng(3).multinomial(12, [1 / 12] * 12, 50)
    for value, times in zip(got, draws, strict=True):
        assert times.sum() == 12
        drawn = sum(matrices[i] for i in range(12) for _ in range(times[i]))
        np.testing.assert_allclose(value, scores(drawn, ("a", "b", "c", "d"))["miou"], rtol=1e-12)


def test_the_interval_holds_the_middle_of_the_draws_and_is_the_same_again() -> None:
    boot, many = Bootstrap(resamples=1000, level=0.9, seed=0), 10**7
    np.testing.assert_allclose(boot.interval(np.arange(101.0), many), (5, 95), atol=1e-4)
    assert all(map(math.isnan, boot.interval(np.array([np.nan]), many)))
    assert boot.interval(np.array([np.nan, 2.0, 2.0]), many) == (2.0, 2.0)
    per_image = np.random.default_rng(0).random((30, 1))
    once, again = (boot.resample_scores(per_image, lambda sums: sums[:, 0]) for _ in range(2))
    assert (once == again).all() and once.std() > 0
    other = Bootstrap(resamples=1000, seed=1).resample_scores(per_image, lambda sums: sums[:, 0])
    assert (once != other).any()


def test_the_interval_of_a_mean_is_what_theory_says() -> None:
    sample = np.random.default_rng(4).normal(10, 2, (400, 1))
    boot = Bootstrap(resamples=4000)
    low, high = boot.interval(boot.resample_scores(sample, lambda sums: sums[:, 0] / 400), 400)
    error = sample.std(ddof=1) / 20
    np.testing.assert_allclose(
        [low, high], sample.mean() + np.array([-1.96, 1.96]) * error, atol=0.02
    )


def test_draws_do_not_depend_on_how_they_are_blocked(monkeypatch) -> None:
    sample = np.random.default_rng(5).random((20, 2))
    whole = Bootstrap(resamples=300).resample_scores(sample, lambda sums: sums[:, 0])
    monkeypatch.setattr("outtake.evaluation.bootstrap._BLOCK_VALUES", 20 * 7)
    parts = Bootstrap(resamples=300).resample_scores(sample, lambda sums: sums[:, 0])
    np.testing.assert_allclose(whole, parts, rtol=1e-12)


@pytest.mark.parametrize("units", [5, 6, 20])
def test_an_interval_of_few_units_is_as_wide_as_students(units: int) -> None:
    rng, hits, width = np.random.default_rng(6), [], []
    boot = Bootstrap(resamples=1000)
    for _ in range(200):
        sample = rng.normal(0, 1, (units, 1))
        low, high = boot.interval(
            boot.resample_scores(sample, lambda sums: sums[:, 0] / units), units
        )
        hits.append(low <= 0 <= high)
        width.append((high - low) / (2 * t.ppf(0.975, units - 1) * sample.std(ddof=1)))
    assert np.mean(hits) > 0.89, "the truth is in it about as often as it says"
    assert np.mean(width) * np.sqrt(units) == pytest.approx(1, abs=0.2)


def test_of_too_few_units_there_is_no_interval() -> None:
    values = np.random.default_rng(7).random(500)
    for units in range(MIN_UNITS):
        assert all(map(math.isnan, Bootstrap().interval(values, units)))
    assert Bootstrap().interval(values, MIN_UNITS)[0] < 0.01
