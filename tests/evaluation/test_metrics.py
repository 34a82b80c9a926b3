from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from outtake.evaluation.metrics import ConfusionMatrix, scores, to_log_dict

NAMES = ("a", "b", "c", "d", "e")


def reference_miou(truth: np.ndarray, guess: np.ndarray, classes: int, ignore: int) -> float:
    ious = []
    valid = truth != ignore
    for c in range(classes):
        in_truth, in_guess = (truth == c) & valid, (guess == c) & valid
        union = int((in_truth | in_guess).sum())
        if union:
            ious.append(int((in_truth & in_guess).sum()) / union)
    return sum(ious) / len(ious) if ious else math.nan


def count(truth: np.ndarray, guess: np.ndarray, classes: int, parts: int = 1) -> np.ndarray:
    confusion = ConfusionMatrix(classes, 255)
    for t, g in zip(np.array_split(truth, parts), np.array_split(guess, parts), strict=True):
        confusion.update(torch.from_numpy(g), torch.from_numpy(t))
    return confusion.counts()


def test_miou_equals_a_ten_line_reference_in_a_thousand_random_cases() -> None:
    rng = np.random.default_rng(0)
    seen_ignored = seen_absent = 0
    for _ in range(1000):
        classes = int(rng.integers(2, 6))
        present = rng.permutation(classes)[: rng.integers(1, classes + 1)]
        truth = rng.choice(present, (4, 6, 7))
        guess = np.where(rng.random(truth.shape) < 0.6, truth, rng.choice(present, truth.shape))
        truth = np.where(rng.random(truth.shape) < rng.random(), 255, truth)
        result = scores(count(truth, guess, classes, parts=2), NAMES[:classes])
        expected = reference_miou(truth, guess, classes, 255)
        assert result["miou"] == expected or (math.isnan(expected) and math.isnan(result["miou"]))
        seen_ignored += bool((truth == 255).any())
        seen_absent += result["classes_scored"] < classes
    assert seen_ignored > 500 and seen_absent > 300, "the cases must be hard"


@pytest.fixture
def only_deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("only_deterministic")
def test_counting_deterministically_takes_no_more_memory() -> None:
    truth = np.random.default_rng(0).integers(0, 150, (1, 512, 512))
    counted = count(truth, np.zeros_like(truth), 150)  # 47 GB if each pixel met each cell
    assert counted[:, 0].tolist() == np.bincount(truth.ravel(), minlength=150).tolist()


def test_a_perfect_prediction_scores_one_and_absent_classes_are_left_out() -> None:
    truth = np.array([[[0, 1], [1, 255]]])
    result = scores(count(truth, np.array([[[0, 1], [1, 2]]]), 3), NAMES[:3])
    assert result["miou"] == result["pixel_accuracy"] == result["fwiou"] == 1.0
    assert result["classes_scored"] == 2 and result["pixels"] == 3
    assert math.isnan(result["iou"]["c"])
    assert "val/iou/c" not in to_log_dict(result, "val")


def test_known_values() -> None:
    confusion = np.array([[6, 2], [1, 1]])
    result = scores(confusion, ("road", "car"))
    assert result["iou"] == {"road": 6 / 9, "car": 1 / 4}
    assert result["precision"] == {"road": 6 / 7, "car": 1 / 3}
    assert result["recall"] == {"road": 6 / 8, "car": 1 / 2}
    assert result["dice"] == {"road": 12 / 15, "car": 2 / 5}
    assert result["pixel_accuracy"] == 0.7
    assert result["mean_accuracy"] == pytest.approx(0.625)
    assert result["fwiou"] == pytest.approx(0.8 * 6 / 9 + 0.2 / 4)


def test_counts_are_int64_and_do_not_saturate() -> None:
    confusion = ConfusionMatrix(2, 255)
    block = torch.zeros(1 << 20, dtype=torch.long)
    for _ in range(20):
        confusion.update(block, block)
    assert confusion.counts().dtype == np.int64
    assert confusion.counts()[0, 0] == 20 << 20


def test_an_empty_split_has_no_miou() -> None:
    assert math.isnan(scores(np.zeros((2, 2), np.int64), ("a", "b"))["miou"])
