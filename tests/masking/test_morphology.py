import time

import cv2
import numpy as np
import pytest

from outtake.masking.morphology import dilate_mask, remove_small_and_fill_holes


def blobs(seed: int, share: float, size: tuple[int, int] = (60, 80)) -> np.ndarray:
    noise = np.random.default_rng(seed).random(size).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.2)
    return (smooth > np.quantile(smooth, 1 - share)).astype(np.uint8)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("least", [2, 7, 40])
def test_regions_are_dropped_by_their_number_of_pixels(seed, share, least):
    mask = blobs(seed, share)
    _, regions, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    keep = stats[:, cv2.CC_STAT_AREA] >= least
    keep[0] = False
    assert np.array_equal(remove_small_and_fill_holes(mask.copy(), least, False) > 0, keep[regions])


def test_a_speck_in_a_gap_goes_and_the_ring_around_it_stays():
    mask = np.zeros((40, 40), np.uint8)
    cv2.circle(mask, (20, 20), 15, 1, 2)
    ring = mask.copy()
    mask[20, 20] = 1
    assert np.array_equal(remove_small_and_fill_holes(mask, 5, False), ring)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("radius_px", [0, 1, 5])
def test_growing_in_a_box_is_growing_as_a_whole(seed, radius_px):
    mask = blobs(seed, 0.05)
    tip = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius_px + 1,) * 2)
    assert np.array_equal(dilate_mask(mask, radius_px), cv2.dilate(mask, tip))


def test_a_mask_full_of_holes_takes_no_time():
    """As a network that has learned next to nothing gives it."""
    mask = (np.random.default_rng(0).random((240, 432)) > 0.3).astype(np.uint8)
    began = time.process_time()
    remove_small_and_fill_holes(mask, 1, True)
    assert time.process_time() - began < 2, "each hole must not look at all others"
