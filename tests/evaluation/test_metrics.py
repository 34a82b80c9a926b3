from __future__ import annotations

import io
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from rich.console import Console

from outtake.evaluation.bootstrap import Bootstrap
from outtake.evaluation.confusion_matrix import ConfusionMatrix
from outtake.evaluation.evaluator import Evaluator
from outtake.evaluation.metrics import (
    METRICS,
    Floats,
    Metric,
    PixelCounts,
    ratio,
    score_counts,
    scores,
    to_log_dict,
    tp_true_pred_counts,
)
from outtake.evaluation.sampling_units import choose_units
from outtake.evaluation.scores_table import print_scores
from outtake.evaluation.summary import detailed_scores

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


def test_an_empty_split_has_no_miou() -> None:
    assert math.isnan(scores(np.zeros((2, 2), np.int64), ("a", "b"))["miou"])


def test_many_sets_of_counts_are_scored_at_once_with_the_same_bits() -> None:
    rng = np.random.default_rng(1)
    matrices = rng.integers(0, 50, (20, 12, 12)) * (rng.random((20, 1, 12)) < 0.7)
    matrices *= rng.random((20, 12, 1)) < 0.7
    together = score_counts(tp_true_pred_counts(matrices))
    names = tuple("abcdefghijkl")
    for place, matrix in enumerate(matrices):
        alone = scores(matrix, names)
        for metric in METRICS:
            value = alone[metric.key]
            one = list(value.values()) if metric.per_class else value
            np.testing.assert_array_equal(together[metric.key][place], one)


@pytest.fixture
def missed_share() -> Iterator[None]:
    """Add a metric: one more entry of the table."""

    def compute(counts: PixelCounts) -> Floats:
        return ratio(counts.true - counts.true_positives, counts.true)

    METRICS.append(Metric("missed", "missed share", compute, per_class=True))
    yield
    METRICS.pop()


@pytest.mark.usefixtures("missed_share")
def test_a_metric_is_one_entry_of_the_table() -> None:
    evaluator = Evaluator(2, 255)
    truth = torch.zeros(6, 8, 8, dtype=torch.long)
    truth[:, 4:] = 1
    logits = torch.randn(6, 2, 8, 8, generator=torch.manual_seed(0))
    evaluator.add(logits, truth, torch.zeros(6, 3, 8, 8, dtype=torch.uint8), torch.arange(6))
    record = scores(evaluator.confusion, ("a", "b"))
    for name in "ab":
        assert record["missed"][name] == pytest.approx(1 - record["recall"][name])
    assert to_log_dict(record, "val")["val/missed/b"] == record["missed"]["b"]
    detail = detailed_scores(
        evaluator, ("a", "b"), "uvwxyz", Bootstrap(100), choose_units([None] * 6, np.ones(6, bool))
    )
    low, high = detail["intervals"]["missed"]["a"]
    assert low <= record["missed"]["a"] <= high
    printed = io.StringIO()
    facts = {"data": "d", "split": "val", "images": 3, "images_per_second": 1.0}
    print_scores(facts | {"classes": ["a", "b"]} | record, Console(file=printed, width=120))
    assert "missed share" in printed.getvalue()
