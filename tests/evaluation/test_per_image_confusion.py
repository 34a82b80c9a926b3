"""Per-image counts and the bootstrap, against references of a few lines."""

from __future__ import annotations

import math

import numpy as np
import torch

from outtake.evaluation.bootstrap import Bootstrap
from outtake.evaluation.metrics import ConfusionMatrix, scores
from outtake.evaluation.per_image_confusion import (
    per_image_confusion,
    scores_from_counts,
    tp_true_pred_counts,
)

NAMES = ("a", "b", "c", "d", "e")
SCALARS = ("miou", "pixel_accuracy", "mean_accuracy", "fwiou", "mean_dice")


def label_maps(rng: np.random.Generator, images: int, classes: int) -> tuple[np.ndarray, ...]:
    present = rng.permutation(classes)[: rng.integers(1, classes + 1)]
    truth = rng.choice(present, (images, 6, 7))
    guess = np.where(rng.random(truth.shape) < 0.6, truth, rng.choice(present, truth.shape))
    return np.where(rng.random(truth.shape) < rng.random(), 255, truth), guess


def counted(truth: np.ndarray, guess: np.ndarray, classes: int) -> np.ndarray:
    return per_image_confusion(
        torch.from_numpy(guess), torch.from_numpy(truth), classes, ignore_index=255
    ).numpy()


def test_images_are_counted_one_by_one_and_sum_to_the_matrix_of_training() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        classes = int(rng.integers(2, 6))
        truth, guess = label_maps(rng, 3, classes)
        each = counted(truth, guess, classes)
        for image in range(3):
            wanted = np.zeros((classes, classes), np.int64)
            for t, g in zip(truth[image].ravel(), guess[image].ravel(), strict=True):
                if t != 255:
                    wanted[t, g] += 1
            assert (each[image] == wanted).all()
        whole = ConfusionMatrix(classes, 255)
        whole.update(torch.from_numpy(guess), torch.from_numpy(truth))
        assert each.dtype == np.int64 and (each.sum(0) == whole.counts()).all()


def test_scores_of_margins_are_the_scores_of_the_matrix() -> None:
    rng = np.random.default_rng(1)
    undefined = 0
    for _ in range(300):
        classes = int(rng.integers(2, 6))
        truth, guess = label_maps(rng, 2, classes)
        matrix = counted(truth, guess, classes).sum(0)
        wanted = scores(matrix, NAMES[:classes])
        got = scores_from_counts(tp_true_pred_counts(matrix))
        for key in SCALARS:
            np.testing.assert_allclose(getattr(got, key), wanted[key], rtol=1e-12)
        np.testing.assert_allclose(got.iou, list(wanted["iou"].values()), rtol=1e-12)
        undefined += any(map(math.isnan, wanted["iou"].values()))
    assert undefined > 50, "the cases must be hard"


def test_the_bootstrap_scores_the_summed_matrices_of_the_images_drawn() -> None:
    rng = np.random.default_rng(2)
    truth, guess = label_maps(rng, 12, 4)
    matrices = counted(truth, guess, 4)
    boot = Bootstrap(resamples=50, seed=3)
    got = boot.resample_scores(
        tp_true_pred_counts(matrices).astype(float), lambda sums: scores_from_counts(sums).miou
    )
    draws = np.random.default_rng(3).multinomial(12, [1 / 12] * 12, 50)
    for value, times in zip(got, draws, strict=True):
        assert times.sum() == 12
        drawn = sum(matrices[i] for i in range(12) for _ in range(times[i]))
        np.testing.assert_allclose(value, scores(drawn, NAMES[:4])["miou"], rtol=1e-12)


def test_the_interval_holds_the_middle_of_the_draws_and_is_the_same_again() -> None:
    boot = Bootstrap(resamples=1000, level=0.9, seed=0)
    np.testing.assert_allclose(boot.interval(np.arange(101.0)), (5, 95))
    assert all(map(math.isnan, boot.interval(np.array([np.nan]))))
    assert boot.interval(np.array([np.nan, 2.0, 2.0])) == (2.0, 2.0)
    per_image = np.random.default_rng(0).random((30, 1))
    once, again = (boot.resample_scores(per_image, lambda sums: sums[:, 0]) for _ in range(2))
    assert (once == again).all() and once.std() > 0
    other = Bootstrap(resamples=1000, seed=1).resample_scores(per_image, lambda sums: sums[:, 0])
    assert (once != other).any()


def test_the_interval_of_a_mean_is_what_theory_says() -> None:
    sample = np.random.default_rng(4).normal(10, 2, (400, 1))
    boot = Bootstrap(resamples=4000)
    low, high = boot.interval(boot.resample_scores(sample, lambda sums: sums[:, 0] / 400))
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
