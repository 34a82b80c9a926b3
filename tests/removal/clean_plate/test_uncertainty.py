"""What the default remover does where other frames predict badly, and when it is given up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction

import cv2
import numpy as np
import pytest

from outtake.core.frames import OBSERVED, SYNTHESISED, MaskedFrame
from outtake.core.types import Frame, Mask, TimedFrame
from outtake.removal.clean_plate.remover import CleanPlate
from outtake.removal.clean_plate.smooth_surface import SmoothFill, fit_smooth_surface

HEIGHT, WIDTH = 96, 144


def texture(seed: int, width: int = WIDTH) -> Frame:
    dice = np.random.default_rng(seed)
    total = np.full((HEIGHT, width, 3), 128.0, np.float32)
    for step, grey in ((4, 14), (12, 24)):
        size = (HEIGHT // step + 2, width // step + 2, 3)
        small = dice.normal(0, grey, size).astype(np.float32)
        total += cv2.resize(small, (width, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.clip(total, 0, 255).astype(np.uint8)


def disc(x: int) -> Mask:
    drawn = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(drawn, (x, HEIGHT // 2), 13, 1, cv2.FILLED)
    return drawn > 0


def film(truths: list[Frame]) -> Iterator[MaskedFrame]:
    for t, truth in enumerate(truths):
        mask, shown = disc(25 + 8 * t), truth.copy()
        shown[mask] = (255, 0, 255)
        yield MaskedFrame(TimedFrame(shown, t, Fraction(1, 25)), mask)


def still(frames: int) -> list[Frame]:
    return [texture(1)] * frames


def torn(frames: int) -> list[Frame]:
    """A band at the height of the hole that shows something else in each frame, all of it noisy."""
    dice = np.random.default_rng(2)
    truths = [noisy(texture(1), dice) for _ in range(frames)]
    for t, truth in enumerate(truths):
        truth[38:60] = texture(50 + t)[38:60]
    return truths


def noisy(image: Frame, dice: np.random.Generator) -> Frame:
    return np.clip(np.rint(image + dice.normal(0, 3, image.shape)), 0, 255).astype(np.uint8)


def squared_error(truths: list[Frame], results: list[Frame]) -> float:
    errors = []
    for truth, item, result in zip(truths, film(truths), results, strict=True):
        difference = truth[item.mask].astype(np.float32) - result[item.mask]
        errors.append(np.square(difference).mean())
    return float(np.mean(errors))


def test_what_other_frames_show_alike_is_taken_over_as_it_is() -> None:
    plate, truths = CleanPlate(), still(12)
    results = list(plate(film(truths)))
    assert squared_error(truths, [filled.frame.image for filled in results]) < 2
    assert all(filled.statistics.synthesised == 0 for filled in results)


def test_what_the_rim_contradicts_comes_closer_to_a_smooth_surface() -> None:
    truths = torn(12)
    plate = CleanPlate(max_error=60)
    results = [filled.frame.image for filled in plate(film(truths))]
    smooth = [SmoothFill().fill(item.frame.image, item.mask) for item in film(truths)]
    # What another frame shows of an unrelated texture is off twice as much as its mean.
    assert squared_error(truths, results) < 1.35 * squared_error(truths, smooth)


def test_a_cast_shadow_that_was_left_at_the_rim_speaks_against_nothing() -> None:
    clip = []
    for item in film(still(12)):
        image, below = item.frame.image.copy(), np.roll(item.mask, 4, axis=0) & ~item.mask
        image[below] = np.rint(image[below] * 0.5)
        clip.append(MaskedFrame(TimedFrame(image, item.frame.pts, item.frame.time_base), item.mask))
    plate = CleanPlate()
    results = list(plate(clip))
    assert all(filled.statistics.synthesised == 0 for filled in results)
    assert squared_error(still(12), [filled.frame.image for filled in results]) < 2


def test_pixels_that_are_mostly_a_surface_count_as_invented() -> None:
    plate = CleanPlate(max_error=60)
    found = [filled.statistics for filled in plate(film(torn(12)))]
    assert np.mean([statistics.synthesised for statistics in found]) > 0.1
    for one, item in zip(found, film(torn(12)), strict=True):
        assert one.origin is not None
        counted = np.count_nonzero(one.origin == SYNTHESISED) / np.count_nonzero(item.mask)
        assert one.synthesised == pytest.approx(counted)
        assert one.observed + one.propagated + one.synthesised == pytest.approx(1)
        assert not one.origin[~item.mask].any()
    assert any((one.origin == OBSERVED).any() for statistics in found if one.origin is not None)


def test_a_surface_meets_what_is_known_and_stays_between_it() -> None:
    at = np.stack(np.nonzero(disc(70) ^ cv2.dilate(disc(70).astype(np.uint8), np.ones((5, 5))) > 0))
    values = np.stack((at[1], np.full(at.shape[1], 7)), axis=1).astype(np.float32)
    surface = fit_smooth_surface(at, values, (HEIGHT, WIDTH))
    assert surface[at[0], at[1]] == pytest.approx(values, abs=1e-3)
    inside = surface[disc(70)]
    assert inside[:, 1] == pytest.approx(7, abs=1e-3)
    assert values[:, 0].min() <= inside[:, 0].min() < inside[:, 0].max() <= values[:, 0].max()
    assert surface[HEIGHT // 2, 70, 0] == pytest.approx(70, abs=2)


def test_the_filler_leaves_the_rest_alone_and_copes_without_any_rest() -> None:
    image, mask = texture(3), disc(8)
    made = SmoothFill().fill(image, mask)
    assert (made[~mask] == image[~mask]).all()
    assert (made[mask] != image[mask]).any()
    assert (SmoothFill().fill(image, np.ones_like(mask)) == 128).all()
    assert (SmoothFill().fill(image, np.zeros_like(mask)) == image).all()


def searching() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("clean_plate")]


def test_nothing_is_searched_any_more_once_the_result_is_closed() -> None:
    results = CleanPlate(reach_frames=2)(film(still(12)))
    next(results)
    assert searching()
    results.close()  # type: ignore[attr-defined]  # a generator, which has it
    assert not searching()


def test_nothing_is_searched_any_more_once_the_source_fails() -> None:
    def failing() -> Iterator[MaskedFrame]:
        yield from film(still(8))
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError, match="the disk is gone"):
        for _ in CleanPlate(reach_frames=2)(failing()):
            pass
    assert not searching()
