"""What differs from the median of the frames around, moved to each by the camera."""

import cv2
import numpy as np
import pytest

from outtake.motion.plate_residual import GREY, PlateResidual, _median_of_known

HEIGHT, WIDTH, FRAMES = 72, 108, 24
OFFSETS = (2, 4, 6, 8)


@pytest.fixture(scope="module")
def wall():
    """A plastered wall that is wider than a frame."""
    noise = np.random.default_rng(0).integers(0, 256, (16, 40, 3)).astype(np.uint8)
    return cv2.resize(noise, (400, 160), interpolation=cv2.INTER_CUBIC)


def show(wall, number, *, pan=3, with_ball=True):
    """The wall from a camera that pans, and a ball that crosses the picture."""
    left = 20 + pan * number
    frame = wall[40 : 40 + HEIGHT, left : left + WIDTH].copy()
    if with_ball:
        cv2.circle(frame, (8 + 4 * number, 36), 9, (250, 30, 30), cv2.FILLED)
    return frame


def ball(number):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(mask, (8 + 4 * number, 36), 9, 1, cv2.FILLED)
    return mask > 0


def residuals(frames, **options):
    return [each for _, each in PlateResidual(OFFSETS)(frames, lambda frame: frame, **options)]


def strength(residual):
    return np.abs(residual.astype(int) - GREY).max(axis=2)


def test_what_moves_differs_and_what_the_camera_passes_does_not(wall):
    found = residuals([show(wall, number) for number in range(FRAMES)])
    assert len(found) == FRAMES
    for number in range(10, 15):
        difference = strength(found[number])
        inside = ball(number)
        assert np.median(difference[inside]) > 60
        assert np.median(difference[~inside]) < 6


def test_it_depends_on_the_frames_in_reach_alone(wall):
    frames = [show(wall, number) for number in range(FRAMES)]
    whole, part = residuals(frames), residuals(frames[3:])
    reach = OFFSETS[-1]
    for number in range(3 + reach, FRAMES):
        assert np.array_equal(whole[number], part[number - 3])


def test_frames_beyond_a_cut_are_not_used(wall):
    other = wall[::-1, ::-1] // 2
    frames = [show(wall, n, with_ball=False) for n in range(12)]
    frames += [show(other, n, with_ball=False) for n in range(12)]
    for residual in residuals(frames)[8:16]:
        assert np.median(strength(residual)) < 6


def test_a_still_camera_and_a_still_object_differ_from_nothing(wall):
    frames = [show(wall, 5)] * 10
    assert all((each == GREY).all() for each in residuals(frames))


def test_where_no_other_frame_looks_there_is_nothing(wall):
    assert (residuals([show(wall, 0)])[0] == GREY).all()
    one_colour = [np.full((8, 8, 3), 90, np.uint8)] * 5
    assert all((each == GREY).all() for each in residuals(one_colour))
    # Sizes may change inside a sequence of images: that is a cut.
    sizes = [np.zeros((40, 60, 3), np.uint8), np.zeros((60, 40, 3), np.uint8)]
    assert [each.shape for each in residuals(sizes)] == [(40, 60, 3), (60, 40, 3)]


def test_only_what_is_wanted_is_computed(wall):
    frames = [show(wall, number) for number in range(12)]
    found = residuals(frames, is_wanted=lambda number: number == 7)
    assert [number for number, each in enumerate(found) if each is not None] == [7]
    assert np.array_equal(found[7], residuals(frames)[7])


def test_large_frames_are_compared_small_and_keep_their_size(wall):
    frames = [cv2.resize(show(wall, number), (810, 540)) for number in range(9)]
    found = residuals(frames)
    assert found[4].shape == (540, 810, 3)
    inside = cv2.resize(ball(4).view(np.uint8), (810, 540)) > 0
    assert np.median(strength(found[4])[inside]) > 60


@pytest.mark.parametrize("known", range(1, 9))
def test_the_median_is_that_of_the_pixels_that_are_known(known):
    draws = np.random.default_rng(known)
    planes = draws.integers(0, 256, (8, 5, 7, 3)).astype(np.uint8)
    order = draws.permuted(np.tile(np.arange(8), (5, 7, 1)), axis=2)
    seen = (order < known).transpose(2, 0, 1)
    median, count = _median_of_known(list(planes), list(seen.astype(np.uint8) * 255))
    assert (count == known).all()
    values = np.where(seen[..., None], planes.astype(float), np.nan)
    assert np.abs(median - np.nanmedian(values, axis=0)).max() <= 0.5
