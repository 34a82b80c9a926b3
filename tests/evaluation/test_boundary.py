"""Outlines, against brute force that follows the papers word by word."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from outtake.evaluation.boundary import (
    F_TOLERANCE,
    IOU_TOLERANCE,
    count_boundary,
    mask_near_class_change,
)

IGNORE = 255


def blobs(rng: np.random.Generator, height: int, width: int, classes: int) -> np.ndarray:
    coarse = rng.integers(0, classes, (4, 5), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST)


def cases(count: int, unlabelled: bool):
    rng = np.random.default_rng(0)
    for _ in range(count):
        truth = blobs(rng, 40, 50, 4)
        guess = np.roll(truth, rng.integers(-3, 4, 2), (0, 1))
        if unlabelled:
            truth = truth.copy()
            y, x = rng.integers(0, 30, 2)
            truth[y : y + 9, x : x + 12] = IGNORE
        yield truth, guess


def test_boundary_iou_is_that_of_the_authors_code() -> None:
    """Cheng et al.: mask minus the mask eroded d times in a frame of zeros, for each class."""

    def region(mask: np.ndarray, d: int) -> np.ndarray:
        framed = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        eroded = cv2.erode(framed, np.ones((3, 3), np.uint8), iterations=d)
        return (mask - eroded[1:-1, 1:-1]).astype(bool)

    d = round(IOU_TOLERANCE * math.hypot(40, 50))
    for truth, guess in cases(30, unlabelled=False):
        got = count_boundary(guess, truth, 4, IGNORE)
        for c in range(4):
            t = region((truth == c).astype(np.uint8), d)
            g = region((guess == c).astype(np.uint8), d)
            assert got.intersection[c] == (t & g).sum() and got.union[c] == (t | g).sum()


def brute_near(labels: np.ndarray, labelled: np.ndarray, d: int) -> np.ndarray:
    out = np.zeros(labels.shape, bool)
    for y, x in zip(*np.nonzero(labelled), strict=True):
        window = np.s_[max(y - d, 0) : y + d + 1, max(x - d, 0) : x + d + 1]
        out[y, x] = (labels[window][labelled[window]] != labels[y, x]).any()
    return out


@pytest.mark.parametrize("distance", [1, 2, 4])
def test_a_contour_lies_between_classes_and_not_where_labels_end(distance: int) -> None:
    for truth, guess in cases(6, unlabelled=True):
        labelled = truth != IGNORE
        for labels in (truth, guess):
            got = mask_near_class_change(labels, labelled, distance)
            assert (got == brute_near(labels, labelled, distance)).all()


def brute_f(guess: np.ndarray, truth: np.ndarray, c: int) -> float:
    labelled = truth != IGNORE
    limit = F_TOLERANCE * math.hypot(*truth.shape)
    t = np.argwhere(brute_near(truth, labelled, 1) & (truth == c))
    g = np.argwhere(brute_near(guess, labelled, 1) & (guess == c))
    if not len(t) and not len(g):
        return math.nan
    if not len(t) or not len(g):
        return 0.0
    apart = np.sqrt(((g[:, None] - t[None]) ** 2).sum(-1))
    precision, recall = (apart.min(1) <= limit).mean(), (apart.min(0) <= limit).mean()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@pytest.mark.parametrize("unlabelled", [False, True])
def test_the_f_score_is_that_of_all_pairs_of_contour_pixels(unlabelled: bool) -> None:
    seen = []
    for truth, guess in cases(8, unlabelled):
        got = count_boundary(guess, truth, 5, IGNORE).f_score
        wanted = [brute_f(guess, truth, c) for c in range(5)]
        np.testing.assert_allclose(got, wanted, rtol=1e-9)
        seen += wanted
    assert any(0 < v < 1 for v in seen) and any(map(math.isnan, seen)), "the cases must be hard"


def test_a_perfect_prediction_scores_one_and_nothing_is_counted_without_labels() -> None:
    truth = blobs(np.random.default_rng(1), 60, 80, 3)
    perfect = count_boundary(truth, truth, 3, IGNORE)
    assert (perfect.f_score[np.unique(truth)] == 1).all()
    assert (perfect.intersection == perfect.union).all() and perfect.union.sum() > 0
    nothing = count_boundary(truth, np.full_like(truth, IGNORE), 3, IGNORE)
    assert np.isnan(nothing.f_score).all() and nothing.union.sum() == 0


def test_two_hundred_and_fifty_five_classes_fit() -> None:
    truth = np.arange(255, dtype=np.uint8)[None].repeat(20, 0)
    counts = count_boundary(truth, truth, 255, IGNORE)
    assert (counts.f_score == 1).all() and (counts.union > 0).all()
