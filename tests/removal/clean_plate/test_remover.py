from __future__ import annotations

import tracemalloc
from fractions import Fraction

import cv2
import numpy as np
import pytest

from outtake.core.errors import ConfigError
from outtake.core.frames import FillStatistics, MaskedFrame
from outtake.core.types import TimedFrame
from outtake.motion.tracking import CameraTracker
from outtake.removal.clean_plate.remover import CleanPlate
from outtake.removal.clean_plate.sample_selection import masked_median
from outtake.removal.inpaint import Inpaint

HEIGHT, WIDTH = 96, 144


def texture(seed: int, height: int = HEIGHT, width: int = 3 * WIDTH) -> np.ndarray:
    dice = np.random.default_rng(seed)
    total = np.full((height, width, 3), 120.0)
    for step in (3, 8, 30):
        small = dice.normal(0, 18, (height // step + 2, width // step + 2, 3))
        total += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(total, 0, 255).astype(np.uint8)


def view(world: np.ndarray, x: float, y: float = 0.0, zoom: float = 1.0) -> np.ndarray:
    map_ = np.array([[1 / zoom, 0, x], [0, 1 / zoom, y]], np.float32)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(world, map_, (WIDTH, HEIGHT), flags=flags, borderMode=cv2.BORDER_REFLECT)


def disc(x: float, y: float = 50, radius: int = 13) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    return cv2.circle(mask, (round(x), round(y)), radius, 1, cv2.FILLED) > 0


def hidden(image: np.ndarray, mask: np.ndarray, pts: int) -> MaskedFrame:
    shown = image.copy()
    shown[mask] = (255, 0, 255)
    return MaskedFrame(TimedFrame(shown, pts, Fraction(1, 25)), mask)


def psnr(truths: list[np.ndarray], results: list[np.ndarray], masks: list[np.ndarray]) -> float:
    values = []
    for truth, result, mask in zip(truths, results, masks, strict=True):
        error = np.square(truth[mask].astype(float) - result[mask]).mean()
        values.append(10 * np.log10(255**2 / max(error, 1e-3)))
    return float(np.mean(values))


def removed(
    plate: CleanPlate, truths: list[np.ndarray], masks: list[np.ndarray]
) -> list[np.ndarray]:
    items = [hidden(*pair, pts) for pts, pair in enumerate(zip(truths, masks, strict=True))]
    return [filled.frame.image for filled in plate(iter(items))]


def statistics_of(
    plate: CleanPlate, truths: list[np.ndarray], masks: list[np.ndarray]
) -> list[FillStatistics]:
    items = [hidden(*pair, pts) for pts, pair in enumerate(zip(truths, masks, strict=True))]
    found = [filled.statistics for filled in plate(iter(items))]
    assert all(one is not None for one in found)
    return found


def gain(truths: list[np.ndarray], masks: list[np.ndarray]) -> float:
    """Decibels above Telea."""
    filled = [
        Inpaint("telea").fill(hidden(*pair, 0).frame.image, pair[1])
        for pair in zip(truths, masks, strict=True)
    ]
    plate = psnr(truths, removed(CleanPlate(), truths, masks), masks)
    return plate - psnr(truths, filled, masks)


def test_a_still_camera_gives_back_what_was_hidden():
    truths = [view(texture(1), 100)] * 14
    masks = [disc(30 + 6 * t) for t in range(14)]
    assert psnr(truths, removed(CleanPlate(), truths, masks), masks) > 45


@pytest.mark.parametrize(
    "motion",
    [
        lambda t: (60 + 3.3 * t, 0, 1),
        lambda t: (100 + 2 * np.sin(t), 1.5 * np.cos(2 * t), 1),
        lambda t: (40 + t, 0.3 * t, 1 + 0.01 * t),
    ],
    ids=["pan", "handheld", "zoom"],
)
def test_a_moving_camera_is_compensated(motion):
    world = texture(2)
    truths = [view(world, *motion(t)) for t in range(14)]
    masks = [disc(30 + 7 * t) for t in range(14)]
    assert gain(truths, masks) > 12


def test_a_hole_that_stays_in_the_picture_is_filled_when_the_camera_pans():
    world = texture(3)
    truths = [view(world, 20 + 5 * t) for t in range(14)]
    assert gain(truths, [disc(70)] * 14) > 12


def test_a_change_of_exposure_is_compensated():
    world = texture(4)
    truths = [
        np.clip(view(world, 60 + 2 * t) * (1 + 0.15 * np.sin(t)), 0, 255).astype(np.uint8)
        for t in range(14)
    ]
    assert gain(truths, [disc(30 + 7 * t) for t in range(14)]) > 12


def test_nothing_is_borrowed_across_a_cut():
    red, blue = texture(5).copy(), texture(6).copy()
    red[..., 2] //= 8
    blue[..., 0] //= 8
    truths = [view(red, 100)] * 8 + [view(blue, 100)] * 8
    # Each shot hides its own spot all the time; the other one shows it.
    masks = [disc(50)] * 8 + [disc(90)] * 8
    results = removed(CleanPlate(), truths, masks)
    assert results[7][masks[7]][:, 2].mean() < 40
    assert results[8][masks[8]][:, 0].mean() < 40
    found = statistics_of(CleanPlate(), truths, masks)
    assert all(one.observed == 0 for one in found)
    assert found[0].synthesised == found[8].synthesised == 1


@pytest.mark.parametrize("seed", range(4))
def test_a_cut_between_alike_pictures_is_found_and_a_fast_pan_is_none(seed):
    camera, nothing = CameraTracker(), np.zeros((HEIGHT, WIDTH), bool)
    first, second = texture(2 * seed), texture(2 * seed + 1)
    frames = [view(first, 12 * t) for t in range(8)] + [view(second, 12 * t) for t in range(8)]
    assert [camera.update(frame, nothing).shot for frame in frames] == [0] * 8 + [1] * 8


def test_what_was_never_seen_is_invented_once_and_carried():
    world = texture(7)
    truths = [view(world, 60 + t) for t in range(10)]
    # It moves with the background: nothing behind it ever shows.
    masks = [disc(90 - t) for t in range(10)]
    plate = CleanPlate(stability=0)
    results = removed(plate, truths, masks)
    found = statistics_of(plate, truths, masks)
    assert found[0].synthesised > 0.8
    assert all(one.propagated > 0.8 and one.synthesised < 0.1 for one in found[1:])
    first, last = (results[t][masks[t] & disc(90 - t, radius=9)].mean(axis=0) for t in (0, 9))
    assert np.abs(first - last).max() < 4


def test_statistics_add_up():
    world = texture(8)
    truths = [view(world, 50 + 2 * t) for t in range(6)]
    masks = [disc(60)] * 5 + [np.zeros((HEIGHT, WIDTH), bool)]
    found = statistics_of(CleanPlate(), truths, masks)
    for one in found[:5]:
        assert one.observed + one.propagated + one.synthesised == pytest.approx(1)
        assert one.ring_residual is not None and one.ring_residual < 5
    assert found[5].observed == found[5].synthesised == 0


def test_nothing_is_left_of_what_was_hidden():
    world = texture(9)
    truths = [view(world, 50 + 2 * t) for t in range(10)]
    masks = [disc(30 + 5 * t) for t in range(10)]
    results = removed(CleanPlate(), truths, masks)
    items = [(truth, mask) for truth, mask in zip(truths, masks, strict=True)]
    other = []
    for pts, (truth, mask) in enumerate(items):
        shown = truth.copy()
        shown[mask] = (0, 255, 0)
        other.append(MaskedFrame(TimedFrame(shown, pts, Fraction(1, 25)), mask))
    for result, filled in zip(results, CleanPlate()(iter(other)), strict=True):
        assert np.array_equal(result, filled.frame.image)


def test_a_frame_that_was_given_out_may_be_written_to():
    world = texture(10)
    truths = [view(world, 50 + t) for t in range(6)]
    masks = [disc(60)] * 6
    untouched = removed(CleanPlate(), truths, masks)
    items = [hidden(*pair, 0) for pair in zip(truths, masks, strict=True)]
    for filled, wanted in zip(CleanPlate()(iter(items)), untouched, strict=True):
        assert np.array_equal(filled.frame.image, wanted)
        filled.frame.image[:] = 0


def test_a_change_of_size_begins_a_new_shot():
    small = texture(11, 40, 60)
    items = [hidden(view(texture(11), 10), disc(60), 0) for _ in range(3)]
    items += [MaskedFrame(TimedFrame(small, 9, Fraction(1, 25)), np.eye(40, 60, dtype=bool))] * 3
    shapes = [filled.frame.image.shape for filled in CleanPlate()(iter(items))]
    assert shapes == [(HEIGHT, WIDTH, 3)] * 3 + [(40, 60, 3)] * 3


def test_memory_is_bounded_by_the_window():
    def peak(frames: int) -> int:
        def clip():
            for t in range(frames):
                yield hidden(view(world, 10 + t % 60), disc(40), t)

        tracemalloc.start()
        plate = CleanPlate(reach_frames=4, max_memory_mb=1)
        for _ in plate(clip()):
            pass
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    world = texture(12)
    # Threads may have a frame more or less in hand; a clip that is kept takes 2.5 times as much.
    assert peak(150) < 1.3 * peak(60)


def test_little_memory_shortens_the_reach():
    pulled = 0

    def clip():
        nonlocal pulled
        for t in range(60):
            pulled += 1
            yield hidden(view(world, 10 + t), disc(40), t)

    world = texture(13)
    next(CleanPlate(max_memory_mb=1)(clip()))
    assert pulled * HEIGHT * WIDTH * 6 <= 1 << 20
    whole, half = (CleanPlate(max_memory_mb=size).context(2160, 3840) for size in (8192, 1024))
    assert (whole.before, whole.after, whole.keyframe_reach) == (64, 64, 512)
    assert half.before >= 8 and half.after >= 8 and half.keyframe_reach >= 64


def test_the_middle_is_numpys_median():
    dice = np.random.default_rng(0)
    for mixed in (False, True):
        samples = dice.integers(0, 8000, (7, 20, 16, 3)).astype(np.int16)
        counts = dice.integers(1, 8, (20, 16) if mixed else (20, 1)) * np.ones((20, 16), int)
        beyond = np.arange(7)[:, None, None] >= counts
        samples[beyond] = 32767
        wanted = np.nanmedian(np.where(beyond[..., None], np.nan, samples / 32), axis=0)
        assert np.allclose(masked_median(samples, counts, mixed), wanted, atol=1e-3)


@pytest.mark.slow
def test_the_tennis_clip_reaches_what_is_promised(real_data):
    root = real_data / "tennis"
    truths, masks, scored = [], [], []
    for path in sorted((root / "frames").glob("*.png"))[20:44]:
        truths.append(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB))
        own, hole = (
            cv2.imread(str(root / name / path.name), 0) > 0 for name in ("own", "holes_object")
        )
        masks.append(own | hole)
        scored.append(hole & ~(cv2.dilate(own.astype(np.uint8), np.ones((5, 5))) > 0))
    assert psnr(truths, removed(CleanPlate(), truths, masks), scored) > 41


@pytest.mark.parametrize(
    "options",
    [
        {"reach_frames": 0},
        {"ring": 0},
        {"samples": 0},
        {"tolerance": 0.5},
        {"max_error": -1},
        {"stability": 1},
        {"seam": 1},
        {"max_drift": -1},
        {"max_memory_mb": 0},
    ],
)
def test_options_that_can_not_work_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        CleanPlate(**options)
