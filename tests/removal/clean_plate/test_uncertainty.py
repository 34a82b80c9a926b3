"""The fill where other frames predict badly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from outtake.core.frames import OBSERVED, SYNTHESISED, MaskedFrame
from outtake.core.types import Frame, Mask, TimedFrame
from outtake.removal.clean_plate import region_fill
from outtake.removal.clean_plate.frame_buffer import FrameBuffer
from outtake.removal.clean_plate.hole_regions import find_hole_regions
from outtake.removal.clean_plate.remover import CleanPlate
from outtake.removal.clean_plate.uncertainty import uncertainty_blend
from outtake.removal.exemplar.remover import Exemplar
from outtake.removal.smooth_surface import SmoothSurface

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


def make_clip(truths: list[Frame]) -> Iterator[MaskedFrame]:
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


def shaken(frames: int) -> list[Frame]:
    """A band at the height of the hole that is pushed to and fro."""
    dice = np.random.default_rng(3)
    truths = [frame.copy() for frame in still(frames)]
    for truth in truths:
        truth[38:60] = np.roll(truth[38:60], dice.integers(-8, 9), axis=1)
    return truths


def noisy(image: Frame, dice: np.random.Generator) -> Frame:
    return np.clip(np.rint(image + dice.normal(0, 3, image.shape)), 0, 255).astype(np.uint8)


def squared_error(truths: list[Frame], results: list[Frame]) -> float:
    errors = []
    for truth, item, result in zip(truths, make_clip(truths), results, strict=True):
        difference = truth[item.mask].astype(np.float32) - result[item.mask]
        errors.append(np.square(difference).mean())
    return float(np.mean(errors))


def test_what_other_frames_show_alike_is_used_unchanged() -> None:
    plate, truths = CleanPlate(), still(12)
    results = list(plate(make_clip(truths)))
    assert squared_error(truths, [filled.frame.image for filled in results]) < 2
    assert all(filled.statistics.synthesised == 0 for filled in results)


def test_what_the_rim_contradicts_is_blended_with_a_smooth_surface() -> None:
    truths = torn(12)
    plate = CleanPlate(max_error=60)
    results = [filled.frame.image for filled in plate(make_clip(truths))]
    smooth = [SmoothSurface().fill(item.frame.image, item.mask) for item in make_clip(truths)]
    # What another frame shows of an unrelated texture is off twice as much as its mean.
    assert squared_error(truths, results) < 1.35 * squared_error(truths, smooth)


def test_detail_that_no_reference_shows_in_its_place_is_smoothed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    truths = shaken(12)
    smoothed = [filled.frame.image for filled in CleanPlate(max_error=60)(make_clip(truths))]
    monkeypatch.setattr(region_fill, "smooth_wrong_detail", lambda *_: False)
    sharp = [filled.frame.image for filled in CleanPlate(max_error=60)(make_clip(truths))]
    assert squared_error(truths, smoothed) < 0.95 * squared_error(truths, sharp)


def test_the_filler_is_told_what_is_vague() -> None:
    told: list[tuple[Mask, Mask]] = []

    class Listener(Exemplar):
        def fill(self, image: Frame, mask: Mask, vague: Mask | None = None) -> Frame:
            assert vague is not None
            told.append((mask, vague))
            return super().fill(image, mask, vague)

    clip = []
    for item in make_clip(torn(12)):
        mask, image = item.mask.copy(), item.frame.image.copy()
        mask[5:20, 5:25] = True  # never seen
        image[mask] = (255, 0, 255)
        clip.append(replace(item, frame=replace(item.frame, image=image), mask=mask))
    list(CleanPlate(max_error=60, filler=Listener())(clip))
    assert told and any(vague.any() for _, vague in told)
    assert not any((mask & vague).any() for mask, vague in told)


def test_a_cast_shadow_at_the_rim_does_not_count_against_references() -> None:
    clip = []
    for item in make_clip(still(12)):
        image, below = item.frame.image.copy(), np.roll(item.mask, 4, axis=0) & ~item.mask
        image[below] = np.rint(image[below] * 0.5)
        clip.append(MaskedFrame(TimedFrame(image, item.frame.pts, item.frame.time_base), item.mask))
    plate = CleanPlate()
    results = list(plate(clip))
    assert all(filled.statistics.synthesised == 0 for filled in results)
    assert squared_error(still(12), [filled.frame.image for filled in results]) < 2


def test_pixels_that_are_mostly_a_surface_count_as_synthesised() -> None:
    plate = CleanPlate(max_error=60)
    found = [filled.statistics for filled in plate(make_clip(torn(12)))]
    assert np.mean([statistics.synthesised for statistics in found]) > 0.1
    for one, item in zip(found, make_clip(torn(12)), strict=True):
        assert one.origin is not None
        counted = np.count_nonzero(one.origin == SYNTHESISED) / np.count_nonzero(item.mask)
        assert one.synthesised == pytest.approx(counted)
        assert one.observed + one.propagated + one.synthesised == pytest.approx(1)
        assert not one.origin[~item.mask].any()
    assert any((one.origin == OBSERVED).any() for one in found)


def test_errors_at_the_rim_that_coding_explains_are_no_doubt() -> None:
    window = next(iter(FrameBuffer(1, 1 << 30)(make_clip(still(2)))))
    (region,) = find_hole_regions(window.centre, 6)
    rim = np.stack(np.nonzero(region.rim))
    truth = region.image[rim[0], rim[1]].astype(np.float32)
    errors = np.random.default_rng(3).normal(0, 9, truth.shape).astype(np.float32)
    doubted, explained = (
        uncertainty_blend(region, rim, truth, errors, 6.0, noise) for noise in (0.0, 8.0)
    )
    assert doubted is not None and explained is not None
    assert explained[..., 3].mean() < 0.6 * doubted[..., 3].mean()
