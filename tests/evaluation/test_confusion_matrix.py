"""Counting pixels, against references of a few lines."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from outtake.evaluation.confusion_matrix import ConfusionMatrix, per_image_confusion
from outtake.evaluation.metrics import tp_true_pred_counts


def label_maps(rng: np.random.Generator, images: int, classes: int) -> tuple[np.ndarray, ...]:
    present = rng.permutation(classes)[: rng.integers(1, classes + 1)]
    truth = rng.choice(present, (images, 6, 7))
    guess = np.where(rng.random(truth.shape) < 0.6, truth, rng.choice(present, truth.shape))
    return np.where(rng.random(truth.shape) < rng.random(), 255, truth), guess


def count_each(truth: np.ndarray, guess: np.ndarray, classes: int) -> np.ndarray:
    return per_image_confusion(
        torch.from_numpy(guess), torch.from_numpy(truth), classes, ignore_index=255
    ).numpy()


def test_images_are_counted_one_by_one_and_sum_to_the_matrix_of_training() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        classes = int(rng.integers(2, 6))
        truth, guess = label_maps(rng, 3, classes)
        each = count_each(truth, guess, classes)
        for image in range(3):
            expected = np.zeros((classes, classes), np.int64)
            for t, g in zip(truth[image].ravel(), guess[image].ravel(), strict=True):
                if t != 255:
                    expected[t, g] += 1
            assert (each[image] == expected).all()
        whole = ConfusionMatrix(classes, 255)
        whole.update(torch.from_numpy(guess), torch.from_numpy(truth))
        assert each.dtype == np.int64 and (each.sum(0) == whole.counts()).all()


def test_counts_are_those_of_the_label_maps() -> None:
    truth, guess = label_maps(np.random.default_rng(1), 1, 4)
    tp, true, predicted = tp_true_pred_counts(count_each(truth, guess, 4)[0])
    valid = truth != 255
    for each in range(4):
        assert tp[each] == ((truth == each) & (guess == each)).sum()
        assert true[each] == (truth == each).sum()
        assert predicted[each] == ((guess == each) & valid).sum()


@pytest.fixture
def only_deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("only_deterministic")
def test_counting_deterministically_takes_no_more_memory() -> None:
    truth = torch.from_numpy(np.random.default_rng(0).integers(0, 150, (1, 512, 512)))
    confusion = ConfusionMatrix(150, 255)
    confusion.update(torch.zeros_like(truth), truth)  # 47 GB if each pixel met each cell
    expected = torch.bincount(truth.ravel(), minlength=150).tolist()
    assert confusion.counts()[:, 0].tolist() == expected


def test_counts_are_int64_and_do_not_saturate() -> None:
    confusion = ConfusionMatrix(2, 255)
    block = torch.zeros(1 << 20, dtype=torch.long)
    for _ in range(20):
        confusion.update(block, block)
    assert confusion.counts().dtype == np.int64
    assert confusion.counts()[0, 0] == 20 << 20
