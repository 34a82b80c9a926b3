from __future__ import annotations

import threading
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from outtake.core.errors import ConfigError
from outtake.core.frames import OBSERVED, PROPAGATED, SYNTHESISED, UNTOUCHED, MaskedFrame
from outtake.removal.clean_plate import remover as remover_module
from outtake.removal.clean_plate.remover import CleanPlate
from outtake.removal.inpaint import Inpaint
from outtake.removal.report import RemovalReport
from tests.removal.clean_plate.clips import (
    HEIGHT,
    WIDTH,
    disc,
    hide,
    images,
    psnr,
    remove,
    texture,
    two_layers,
    view,
)


def gain_over_telea(truths: list[np.ndarray], masks: list[np.ndarray]) -> float:
    """Return the gain in decibels."""
    filled = [
        Inpaint("telea").fill(hide(truth, mask).frame.image, mask)
        for truth, mask in zip(truths, masks, strict=True)
    ]
    results = images(remove(CleanPlate(), truths, masks))
    return psnr(truths, results, masks) - psnr(truths, filled, masks)


def test_a_still_camera_gives_back_what_was_hidden():
    truths = [view(texture(1), 100)] * 14
    masks = [disc(30 + 6 * t) for t in range(14)]
    assert psnr(truths, images(remove(CleanPlate(), truths, masks)), masks) > 45


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
    assert gain_over_telea(truths, [disc(30 + 7 * t) for t in range(14)]) > 12


def test_a_hole_that_stays_in_the_picture_is_filled_when_the_camera_pans():
    world = texture(3)
    truths = [view(world, 20 + 5 * t) for t in range(14)]
    assert gain_over_telea(truths, [disc(70)] * 14) > 12


def test_a_flash_does_not_divide_a_shot():
    truths = [view(texture(1), 100)] * 16
    truths[8] = np.full_like(truths[8], 255)
    # What the hole hides before the flash is seen after it, and the other way round.
    masks = [disc(50)] * 8 + [disc(90)] * 8
    results = remove(CleanPlate(), truths, masks)
    rest = [t for t in range(16) if t != 8]
    shown = [images(results)[t] for t in rest]
    assert psnr([truths[t] for t in rest], shown, [masks[t] for t in rest]) > 45
    assert all(results[t].statistics.synthesised == 0 for t in rest)


def test_what_is_made_up_stays_the_same_after_a_flash():
    truths = [view(texture(1), 100)] * 12
    truths[6] = np.full_like(truths[6], 255)
    results = images(remove(CleanPlate(), truths, [disc(50)] * 12))
    changed = np.abs(results[5].astype(int) - results[9])[disc(50)]
    assert changed.mean() < 0.5


def test_nothing_is_taken_across_a_cut():
    red, blue = texture(5).copy(), texture(6).copy()
    red[..., 2] //= 8
    blue[..., 0] //= 8
    truths = [view(red, 100)] * 4 + [view(blue, 100)] * 4
    # Each shot hides its own spot all the time; the other one shows it.
    masks = [disc(50)] * 4 + [disc(90)] * 4
    results = remove(CleanPlate(), truths, masks)
    assert results[3].frame.image[masks[3]][:, 2].mean() < 40
    assert results[4].frame.image[masks[4]][:, 0].mean() < 40
    assert all(one.statistics.observed == 0 for one in results)
    assert results[0].statistics.synthesised == results[4].statistics.synthesised == 1


def test_what_was_never_observed_is_synthesised_once_and_stays_so():
    world = texture(7)
    truths = [view(world, 60 + t) for t in range(10)]
    # The hole moves with the background: nothing behind it ever shows.
    masks = [disc(90 - t) for t in range(10)]
    results = remove(CleanPlate(stability=0), truths, masks)
    assert all(one.statistics.synthesised > 0.8 for one in results)
    start, end = (
        results[t].frame.image[masks[t] & disc(90 - t, radius=9)].mean(axis=0) for t in (0, 9)
    )
    assert np.abs(start - end).max() < 4


def test_what_is_never_seen_behind_a_fixed_box_is_said_to_be_synthesised():
    truths = [view(texture(1), 100)] * 30
    box = np.zeros((HEIGHT, WIDTH), bool)
    box[30:60, 50:90] = True
    record = report_on(truths, [box] * 30).record()
    assert record["fill"]["synthesised"] >= 0.99
    assert record["warnings"][0].startswith("100% of what was removed")


def report_on(truths: list[np.ndarray], masks: list[np.ndarray]) -> RemovalReport:
    report = RemovalReport()
    for number, one in enumerate(remove(CleanPlate(), truths, masks)):
        report.add(number / 25, float(one.source.mask.mean()), one.statistics)
    return report


def test_a_box_before_two_layers_is_said_to_be_doubtful():
    box = np.zeros((HEIGHT, WIDTH), bool)
    box[20:76, 40:100] = True
    record = report_on([two_layers(t) for t in range(30)], [box] * 30).record()
    assert record["fill"]["ring_residual"] < 4
    assert any(line.startswith("other frames disagree in") for line in record["warnings"])
    assert record["fill"]["disputed"] > 0.1 and record["fill"]["sample_spread"] > 3


def test_a_removal_that_went_well_has_no_warning():
    world = texture(2)
    truths = [view(world, 60 + 3.3 * t) for t in range(26)]
    record = report_on(truths, [disc(30 + 4 * t) for t in range(26)]).record()
    assert record["warnings"] == []
    assert record["fill"]["sample_spread"] < 2 and record["fill"]["disputed"] < 0.02
    assert abs(record["fill"]["rim_step"]) < 0.5


@pytest.mark.parametrize(
    ("top", "said"), [(24, False), (45, True)], ids=["covered", "its head sticks out"]
)
def test_what_sticks_out_of_a_mask_is_said_to_move_with_it(top, said):
    world, thing = texture(2), view(texture(4), 30)
    thing[..., 0] //= 4
    truths, masks = [], []
    for t in range(20):
        truth, mask = view(world, 60 + t), np.zeros((HEIGHT, WIDTH), bool)
        x = 20 + 4 * t
        truth[30:70, x : x + 16] = thing[30:70, 20:36]
        mask[top:76, x - 6 : x + 22] = True
        truths.append(truth)
        masks.append(mask)
    record = report_on(truths, masks).record()
    assert (record["fill"]["rim_moves_with_hole"] > 0.05) == said
    assert any("masks are too small" in line for line in record["warnings"]) == said


def test_what_was_observed_stays_so_when_it_is_out_of_reach():
    truths = [view(texture(1), 100)] * 14
    # It walks up and stays. Two frames later, no frame within reach shows what is behind it.
    masks = [disc(min(30 + 12 * t, 90)) for t in range(14)]
    # Frame 0 would be a keyframe.
    items = (hide(truths[0], mask, number) for number, mask in enumerate(masks, 1))
    *_, last = CleanPlate(reach_frames=2)(items)
    assert last.statistics.propagated > 0.95 and last.statistics.synthesised < 0.02


def test_statistics_add_up():
    world = texture(8)
    truths = [view(world, 50 + 2 * t) for t in range(6)]
    masks = [disc(60)] * 5 + [np.zeros((HEIGHT, WIDTH), bool)]
    *found, empty = (one.statistics for one in remove(CleanPlate(), truths, masks))
    for one in found:
        assert one.observed + one.propagated + one.synthesised == pytest.approx(1)
        assert one.ring_residual is not None and one.ring_residual < 5
    assert empty.observed == empty.synthesised == 0


def test_the_origin_of_every_pixel_is_reported():
    world = texture(3)
    # One thing moves over the background, another moves with it.
    truths = [view(world, 40 + 2 * t) for t in range(12)]
    moving = [disc(20 + 8 * t, 22) for t in range(12)]
    with_it = [disc(115 - 2 * t, 72, 10) for t in range(12)]
    masks = [one | other for one, other in zip(moving, with_it, strict=True)]
    found = [one.statistics for one in remove(CleanPlate(), truths, masks)]
    for t, statistics in enumerate(found):
        origin, hole = statistics.origin, masks[t]
        assert origin.dtype == np.uint8
        assert (origin[~hole] == UNTOUCHED).all() and (origin[hole] != UNTOUCHED).all()
        share = {one: np.mean(origin[hole] == one) for one in (OBSERVED, PROPAGATED, SYNTHESISED)}
        assert share[OBSERVED] == pytest.approx(statistics.observed)
        assert share[PROPAGATED] == pytest.approx(statistics.propagated)
        assert share[SYNTHESISED] == pytest.approx(statistics.synthesised)
        assert np.mean(origin[moving[t]] == OBSERVED) > 0.9
    assert np.mean(found[0].origin[with_it[0]] == SYNTHESISED) > 0.8
    assert np.mean(found[8].origin[with_it[8]] == SYNTHESISED) > 0.8
    assert found[0].flicker is None and 0 <= found[5].flicker < 4


def test_the_same_frames_give_the_same_result_every_time():
    world = texture(1)
    truths = [view(world, 4 + 2 * t) for t in range(20)]
    masks = [disc(20 + 5 * t) for t in range(20)]
    first, second = (images(remove(CleanPlate(), truths, masks)) for _ in range(2))
    assert all(np.array_equal(*pair) for pair in zip(first, second, strict=True))


def test_the_result_is_the_same_on_any_number_of_processors(monkeypatch):
    truths = [view(texture(4), 60 + 3 * t) for t in range(16)]
    masks = [disc(30 + 5 * t) for t in range(16)]
    results, names = [], set()
    for processors in (1, 16):
        monkeypatch.setattr(remover_module, "default_threads", lambda count=processors: count)
        plate = CleanPlate()
        for one in plate(
            hide(*pair, pts=t) for t, pair in enumerate(zip(truths, masks, strict=True))
        ):
            results.append(one.frame.image)
            names |= {thread.name for thread in searching()}
    assert all(map(np.array_equal, results[:16], results[16:]))
    assert len({name.rpartition("_")[2] for name in names}) > 2
    # What is held beyond the frames of the buffer stays within a tenth of the memory.
    small = CleanPlate(max_memory_mb=2)
    assert {small._count_searches(window.centre) for window, *_ in small._search_ahead(
        hide(*pair, pts=t) for t, pair in enumerate(zip(truths[:4], masks[:4], strict=True))
    )} == {3}  # fmt: skip


def test_hidden_pixels_do_not_influence_the_result():
    world = texture(9)
    truths = [view(world, 50 + 2 * t) for t in range(10)]
    masks = [disc(30 + 5 * t) for t in range(10)]
    others = [truth.copy() for truth in truths]
    items = [hide(truth, mask) for truth, mask in zip(others, masks, strict=True)]
    for item in items:
        item.frame.image[item.mask] = (0, 255, 0)
    expected = images(remove(CleanPlate(), truths, masks))
    for result, filled in zip(expected, CleanPlate()(iter(items)), strict=True):
        assert np.array_equal(result, filled.frame.image)


def test_a_frame_that_was_yielded_may_be_written_to():
    world = texture(10)
    truths = [view(world, 50 + t) for t in range(6)]
    masks = [disc(60)] * 6
    expected = images(remove(CleanPlate(), truths, masks))
    items = (hide(truth, mask) for truth, mask in zip(truths, masks, strict=True))
    for filled, untouched in zip(CleanPlate()(items), expected, strict=True):
        assert np.array_equal(filled.frame.image, untouched)
        filled.frame.image[:] = 0


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
    assert psnr(truths, images(remove(CleanPlate(), truths, masks)), scored) > 41


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
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        CleanPlate(**options)


@pytest.mark.parametrize("moving", ["maybe", "no", 1])
def test_a_word_is_not_taken_for_true(moving):
    with pytest.raises(ConfigError, match=rf"^remover\.moving={moving}: must be true or false$"):
        CleanPlate(moving=moving)


def searching() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("clean_plate")]


def still_clip(frames: int) -> Iterator[MaskedFrame]:
    truth = view(texture(1), 100)
    return (hide(truth, disc(25 + 8 * t)) for t in range(frames))


def test_the_search_ends_when_the_result_is_closed():
    results = CleanPlate(reach_frames=2)(still_clip(12))
    next(results)
    assert searching()
    results.close()
    assert not searching()


def test_the_search_ends_when_the_source_fails():
    def failing() -> Iterator[MaskedFrame]:
        yield from still_clip(8)
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError, match="the disk is gone"):
        for _ in CleanPlate(reach_frames=2)(failing()):
            pass
    assert not searching()
