from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch

from outtake.core.errors import ConfigError
from outtake.refine.smoother import Smooth


def noisy_halves(classes: int = 2, size: tuple[int, int] = (24, 33)) -> tuple[np.ndarray, ...]:
    """A picture of two colours, its true labels, and probabilities that are right on average."""
    random = np.random.default_rng(1)
    truth = np.zeros(size, np.uint8)
    truth[:, size[1] // 3 :] = 1
    image = np.where(truth[..., None] == 1, (200, 90, 40), (60, 70, 160)).astype(np.uint8)
    image += random.integers(0, 3, image.shape, np.uint8)
    logits = random.normal(0, 2, (classes, *size)) + 1.5 * (
        np.arange(classes)[:, None, None] == truth
    )
    planes = np.exp(logits)
    return image, truth, np.float32(planes / planes.sum(axis=0))


def test_labels_follow_the_edges_of_the_picture() -> None:
    image, truth, planes = noisy_halves(5)
    before = np.mean(planes.argmax(axis=0) == truth)
    found = Smooth().refine(image, planes.copy())
    assert before < 0.6
    assert np.array_equal(found.argmax(axis=0), truth)
    assert np.allclose(found.sum(axis=0), 1, atol=1e-5) and found.min() >= 0


def test_two_classes_are_what_each_alone_is() -> None:
    """The last class is not computed but left over: it is what it would have been."""
    image, _, planes = noisy_halves(2)
    found = Smooth().refine(image, planes.copy())
    turned = Smooth().refine(image, planes[::-1].copy())
    assert np.allclose(found, turned[::-1], atol=1e-5)


def test_the_bits_are_those_of_any_number_of_threads() -> None:
    image, _, planes = noisy_halves(4, (60, 80))
    threads = cv2.getNumThreads(), torch.get_num_threads()
    found = []
    try:
        for count in (1, 2, 4):
            cv2.setNumThreads(count)
            torch.set_num_threads(count)
            with ThreadPoolExecutor(count) as pool:
                tasks = [pool.submit(Smooth().refine, image, planes.copy()) for _ in range(count)]
                found += [task.result() for task in tasks]
    finally:
        cv2.setNumThreads(threads[0])
        torch.set_num_threads(threads[1])
    assert all(np.array_equal(each, found[0]) for each in found)


def test_without_edges_it_blurs_and_with_nothing_but_edges_it_does_nothing() -> None:
    _, _, planes = noisy_halves(2)
    flat = np.full((*planes.shape[1:], 3), 77, np.uint8)
    blurred = Smooth(strength=1e6).refine(flat, planes.copy())
    assert np.abs(blurred - planes.mean(axis=(1, 2), keepdims=True)).max() < 0.01
    steps = (np.indices(planes.shape[1:]).sum(axis=0) % 2 * 200).astype(np.uint8)[..., None]
    assert np.allclose(Smooth(sigma=0.1).refine(steps, planes.copy()), planes, atol=1e-3)


@pytest.mark.parametrize("size", [(1, 9), (9, 1), (1, 1), (2, 2)])
@pytest.mark.parametrize("channels", [1, 3, 6])
@pytest.mark.parametrize("classes", [1, 2, 254])
def test_any_size_and_any_number_of_channels_and_classes(
    size: tuple[int, int], channels: int, classes: int
) -> None:
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (*size, channels), np.uint8)
    planes = random.dirichlet(np.ones(classes), size).transpose(2, 0, 1).astype(np.float32)
    found = Smooth().refine(image, planes.copy())
    assert found.shape == planes.shape and np.allclose(found.sum(axis=0), 1, atol=1e-4)


def test_classes_that_are_nowhere_are_passed_over() -> None:
    image, _, planes = noisy_halves(3)
    planes[2] = 0.01
    planes[:2] *= 0.99 / planes[:2].sum(axis=0)
    found = Smooth(least=0.1).refine(image, planes.copy())
    assert np.allclose(found[2], 0.01, atol=1e-4)
    assert np.allclose(found.sum(axis=0), 1, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [{"sigma": 0}, {"strength": -1}, {"iterations": 0}, {"iterations": 2.5}, {"least": 2}],
)
def test_numbers_that_cannot_work_are_one_line(options: dict) -> None:
    with pytest.raises(ConfigError, match=f"refine.{next(iter(options))}="):
        Smooth(**options)
