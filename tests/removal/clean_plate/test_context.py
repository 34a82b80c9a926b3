"""What the default remover makes of frames that are only there to be looked at."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from outtake.core.frames import OBSERVED, PROPAGATED, SYNTHESISED, UNTOUCHED, MaskedFrame
from outtake.core.types import TimedFrame
from outtake.motion.tracking import CameraTracker
from outtake.removal.clean_plate.remover import CleanPlate

HEIGHT, WIDTH = 120, 176


def texture(seed: int, height: int = HEIGHT + 40, width: int = 4 * WIDTH) -> np.ndarray:
    dice = np.random.default_rng(seed)
    total = np.full((height, width, 3), 120.0)
    for step in (5, 12, 40):
        small = dice.normal(0, 20, (height // step + 2, width // step + 2, 3))
        total += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(total, 0, 255).astype(np.uint8)


def view(world: np.ndarray, x: float, y: float = 0.0) -> np.ndarray:
    map_ = np.array([[1, 0, x], [0, 1, y]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(world, map_, (WIDTH, HEIGHT), flags=flags)


def disc(x: float, y: float = 60, radius: int = 14) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    return cv2.circle(mask, (round(x), round(y)), radius, 1, cv2.FILLED) > 0


def item(image, mask, number=None, wanted=True) -> MaskedFrame:
    shown = image.copy()
    shown[mask] = (255, 0, 255)
    return MaskedFrame(TimedFrame(shown, number or 0, Fraction(1, 25)), mask, None, number, wanted)


def panning(count: int, first: int = 0) -> list[MaskedFrame]:
    world = texture(1)
    return [item(view(world, 4 + 2 * t), disc(30 + 5 * t), first + t) for t in range(count)]


def images(items: list[MaskedFrame]) -> list[np.ndarray]:
    return [filled.frame.image for filled in CleanPlate()(iter(items))]


def test_context_comes_out_as_it_is_but_for_a_warm_up():
    items = [
        MaskedFrame(one.frame, one.mask, None, one.number, is_output=10 <= one.number < 14)
        for one in panning(20)
    ]
    plate = CleanPlate()
    results = list(plate(iter(items)))
    same = [
        np.array_equal(result.frame.image, one.frame.image)
        for result, one in zip(results, items, strict=True)
    ]
    assert same == [True] * 6 + [False] * 8 + [True] * 6
    assert all(result.statistics.origin is not None for result in results[10:14])


def test_the_same_frames_give_the_same_result_every_time():
    first, second = (
        [filled.frame.image for filled in CleanPlate()(iter(panning(24)))] for _ in range(2)
    )
    assert all(np.array_equal(*pair) for pair in zip(first, second, strict=True))


def test_only_the_distance_between_numbers_matters_to_dense_frames():
    first, second = (
        [filled.frame.image for filled in CleanPlate()(iter(panning(12, number)))]
        for number in (0, 1600)
    )
    assert all(np.array_equal(*pair) for pair in zip(first, second, strict=True))


def paused(numbers, wanted) -> tuple[list[MaskedFrame], dict[int, np.ndarray]]:
    """Something stands still from frame 64 on, and hides what could be seen before."""
    world, items, truths = texture(2), [], {}
    for number in numbers:
        x = 60 if number >= 64 else 150
        truths[number] = view(world, 30 + np.sin(number / 7))
        items.append(item(truths[number], disc(x), number, number in wanted))
    return items, truths


@pytest.mark.parametrize("sparse", [True, False])
def test_something_that_pauses_for_long_is_filled_from_keyframes(sparse):
    wanted = range(160, 164)
    far = range(0, 144, 16) if sparse else range(144)
    items, truths = paused([*far, *range(144, 170)], wanted)
    plate = CleanPlate(reach_frames=12)
    results = dict(zip((one.number for one in items), plate(iter(items)), strict=True))
    for number in wanted:
        hole = disc(60)
        error = truths[number][hole].astype(float) - results[number].frame.image[hole]
        assert results[number].statistics.observed > 0.95
        assert 10 * np.log10(255**2 / np.square(error).mean()) > 28


def test_keyframes_of_another_place_are_of_no_use():
    wanted = range(160, 164)
    items, _ = paused([*range(64, 144, 16), *range(144, 170)], wanted)
    elsewhere = texture(9)
    other = [item(view(elsewhere, 30), disc(150), number, False) for number in range(0, 64, 16)]
    plate = CleanPlate(reach_frames=12)
    results = {filled.source.number: filled for filled in plate(iter(other + items))}
    assert all(results[number].statistics.observed < 0.05 for number in wanted)


def test_the_origin_of_every_pixel_is_told():
    world = texture(3)
    # One thing moves over the background, another moves with it.
    truths = [view(world, 40 + 2 * t) for t in range(12)]
    moving = [disc(30 + 8 * t, 30) for t in range(12)]
    with_it = [disc(140 - 2 * t, 90, 10) for t in range(12)]
    plate = CleanPlate()
    items = [
        item(truth, one | other) for truth, one, other in zip(truths, moving, with_it, strict=True)
    ]
    found = [filled.statistics for filled in plate(iter(items))]
    for t, statistics in enumerate(found):
        origin = statistics.origin
        assert origin is not None and origin.dtype == np.uint8
        hole = moving[t] | with_it[t]
        assert (origin[~hole] == UNTOUCHED).all() and (origin[hole] != UNTOUCHED).all()
        share = {one: np.mean(origin[hole] == one) for one in (OBSERVED, PROPAGATED, SYNTHESISED)}
        assert share[OBSERVED] == pytest.approx(statistics.observed)
        assert share[PROPAGATED] == pytest.approx(statistics.propagated)
        assert share[SYNTHESISED] == pytest.approx(statistics.synthesised)
        assert np.mean(origin[moving[t]] == OBSERVED) > 0.9
    assert np.mean(found[0].origin[with_it[0]] == SYNTHESISED) > 0.8
    assert np.mean(found[8].origin[with_it[8]] == PROPAGATED) > 0.8
    assert found[0].flicker is None and 0 <= found[5].flicker < 4


@pytest.mark.parametrize("frames", [8, 24])
def test_a_fade_is_no_series_of_cuts(frames):
    first, second = texture(4), texture(5)
    dice = np.random.default_rng(0)
    down = [view(first, 20 + t) * (1 - min(1, max(0, (t - 5) / frames))) for t in range(frames + 8)]
    up = [view(second, 20 + t) * min(1, t / frames) for t in range(frames + 8)]
    camera, nothing = CameraTracker(), np.zeros((HEIGHT, WIDTH), bool)
    shots = []
    for picture in down + up:
        noisy = np.clip(picture + dice.normal(0, 1, picture.shape), 0, 255).astype(np.uint8)
        shots.append(camera.update(noisy, nothing).shot)
    assert shots[0] != shots[-1]
    assert len(set(shots)) <= 5


def test_a_change_of_contrast_is_compensated():
    world = texture(6)
    truths = [
        np.clip((view(world, 30 + 2 * t) - 120.0) * (1 + 0.25 * np.sin(t)) + 120, 0, 255)
        for t in range(14)
    ]
    truths = [truth.astype(np.uint8) for truth in truths]
    masks = [disc(30 + 8 * t) for t in range(14)]
    items = [item(truth, mask) for truth, mask in zip(truths, masks, strict=True)]
    errors = [
        np.square(truth[mask].astype(float) - filled.frame.image[mask]).mean()
        for filled, truth, mask in zip(CleanPlate()(iter(items)), truths, masks, strict=True)
    ]
    assert 10 * np.log10(255**2 / np.mean(errors)) > 33
