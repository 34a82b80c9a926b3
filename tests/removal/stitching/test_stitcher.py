from __future__ import annotations

import gc
from dataclasses import replace
from types import FunctionType, MethodType, ModuleType

import cv2
import numpy as np
import pytest

from outtake.core.errors import ConfigError
from outtake.core.frames import MaskedFrame
from outtake.core.mask_blocks import reduce_to_blocks
from outtake.core.types import StoredPicture
from outtake.motion.homography import TrackedView
from outtake.motion.tracking import RETURN_FRAMES, CameraTracker
from outtake.removal.stitching.open_shot import OpenShot, StitchedBackground
from outtake.removal.stitching.stitcher import BackgroundStitcher
from tests.removal.clean_plate.clips import HEIGHT, WIDTH, disc, hide, psnr, texture, view

FRAMES = 24


def panning(count: int = FRAMES, speed: float = 4.0, start: float = 20.0, seed: int = 1):
    world = texture(seed, HEIGHT + 40, 4 * WIDTH)
    truths = [view(world, start + speed * t, 10 + 2 * np.sin(t / 3)) for t in range(count)]
    return truths, [disc(30 + 3.5 * t) for t in range(count)]


def stitch(truths, masks, **options) -> list[StitchedBackground]:
    pairs = zip(truths, masks, strict=True)
    return list(BackgroundStitcher(**options)(hide(*pair, pts=t) for t, pair in enumerate(pairs)))


def frames_of(background: StitchedBackground) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """What the picture shows where each frame lies, in the frame's light, and where it does."""
    shown, seen = [], []
    for each in background.frames:
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        moved = cv2.warpPerspective(
            background.picture, each.to_picture, (WIDTH, HEIGHT), flags=flags
        )
        shown.append((moved[..., :3] - each.light.offset) / each.light.gain)
        seen.append(moved[..., 3] == 255)
    return shown, seen


def test_a_pan_is_one_picture_without_what_was_removed():
    truths, masks = panning()
    (background,) = stitch(truths, masks)
    assert background.shot == 1
    assert [each.number for each in background.frames] == list(range(FRAMES))
    assert [float(each.time_s) for each in background.frames[:3]] == [0, 0.04, 0.08]
    height, width = background.picture.shape[:2]
    assert WIDTH + 4 * (FRAMES - 1) <= width <= WIDTH + 4 * (FRAMES - 1) + 6
    assert HEIGHT + 2 <= height <= HEIGHT + 10
    shown, seen = frames_of(background)
    hidden = [mask & known for mask, known in zip(masks, seen, strict=True)]
    assert min(known[mask].mean() for mask, known in zip(masks, seen, strict=True)) > 0.8
    assert psnr(truths, shown, hidden) > 36
    # Magenta is what the frames show where something is removed.
    opaque = background.picture[background.picture[..., 3] > 0][:, :3].astype(int)
    assert not ((opaque[:, 0] > 220) & (opaque[:, 1] < 40) & (opaque[:, 2] > 220)).any()


def test_what_no_frame_shows_is_transparent():
    truths = [view(texture(2), 60)] * 6
    masks = [disc(70) | disc(100 + t, radius=5) for t in range(6)]
    (background,) = stitch(truths, masks)
    alpha = background.picture[..., 3]
    assert background.picture.shape[:2] == (HEIGHT, WIDTH)
    assert not alpha[disc(70, radius=12)].any()
    assert not background.picture[..., :3][alpha == 0].any()
    away = ~(disc(70, radius=16) | disc(103, radius=12))
    assert (alpha[away] == 255).all()
    assert background.seen_share == pytest.approx((alpha > 0).mean())


def test_what_moves_by_itself_is_not_in_it():
    truths, masks = panning(18, speed=1.0)
    walked = [truth.copy() for truth in truths]
    for t, picture in enumerate(walked):
        picture[10:30, 7 * t : 7 * t + 9] = (255, 0, 0)
    (background,) = stitch(walked, masks)
    shown, seen = frames_of(background)
    assert psnr(truths, shown, seen) > 32


def test_light_that_changes_is_that_of_the_reference_frame():
    truths, masks = panning(20, speed=2.0)
    lit = [
        np.clip(truth * (1 + 0.15 * np.sin(t / 3)) - 8 * np.cos(t / 4), 0, 255).astype(np.uint8)
        for t, truth in enumerate(truths)
    ]
    (background,) = stitch(lit, masks)
    reference = next(each for each in background.frames if each.number == background.reference)
    assert reference.light.gain == pytest.approx(np.ones(3))
    assert reference.light.offset == pytest.approx(np.zeros(3), abs=1e-9)
    shown, seen = frames_of(background)
    hidden = [mask & known for mask, known in zip(masks, seen, strict=True)]
    assert psnr(lit, shown, hidden) > 33
    gains = [each.light.gain.mean() for each in background.frames]
    assert max(gains) / min(gains) > 1.2


def test_each_shot_has_its_picture():
    first, second = panning(10), panning(12, seed=7)
    both = [*first[0], *second[0]], [*first[1], *second[1]]
    backgrounds = stitch(*both)
    assert [each.shot for each in backgrounds] == [1, 2]
    assert [each.frames[0].number for each in backgrounds] == [0, 10]
    assert [len(each.frames) for each in backgrounds] == [10, 12]


def flashing(count: int = 20, at: int = 8, length: int = 2):
    truths, masks = panning(count, speed=2.0)
    truths[at : at + length] = [np.full_like(truths[0], 255)] * length
    return truths, masks


@pytest.mark.parametrize("length", [1, RETURN_FRAMES])
def test_a_flash_does_not_divide_a_shot(length):
    truths, masks = flashing(length=length)
    flash, whole = sorted(stitch(truths, masks), key=lambda one: len(one.frames))
    flashed = list(range(8, 8 + length))
    assert (whole.shot, flash.shot) == (1, 2)
    assert [one.number for one in flash.frames] == flashed
    assert [one.number for one in whole.frames] == [t for t in range(20) if t not in flashed]
    # As wide as the way of the camera from the first frame to the last.
    assert WIDTH + 2 * 19 <= whole.picture.shape[1] <= WIDTH + 2 * 19 + 6
    assert whole.picture[whole.picture[..., 3] > 0][:, :3].min(axis=1).max() < 250
    shown, seen = frames_of(whole)
    steady = [truths[one.number] for one in whole.frames]
    hidden = [masks[one.number] for one in whole.frames]
    away = [known & ~mask for known, mask in zip(seen, hidden, strict=True)]
    assert psnr(steady, shown, away) > 36


def test_a_shot_ends_when_it_cannot_go_on_any_more():
    first, second = panning(4), panning(9, seed=7)
    both = zip([*first[0], *second[0]], [*first[1], *second[1]], strict=True)
    stitcher = BackgroundStitcher()
    ended = [
        [one.shot for one in stitcher.add(t, hide(*pair, pts=t))] for t, pair in enumerate(both)
    ]
    assert [t for t, shots in enumerate(ended) if shots] == [4 + RETURN_FRAMES]
    assert [one.shot for one in stitcher.finish()] == [2]


def test_a_shot_that_may_go_on_makes_room_for_what_comes_between(monkeypatch):
    truths, masks = flashing(30, at=18, length=3)
    most = 0
    taken = OpenShot.add

    def add(self, frame):
        nonlocal most
        is_taken = taken(self, frame)
        held = {self.number: self, **stitcher._left}
        most = max(most, sum(one.kept.nbytes for one in held.values()))
        return is_taken

    monkeypatch.setattr(OpenShot, "add", add)
    stitcher = BackgroundStitcher(max_memory_mb=2)  # fifteen frames
    pairs = zip(truths, masks, strict=True)
    found = list(stitcher(hide(*pair, pts=t) for t, pair in enumerate(pairs)))
    assert sorted(len(one.frames) for one in found) == [3, 27]
    assert 1.5 * 2**20 < most <= 2 * 2**20


def test_a_shot_of_which_all_is_needed_ends_with_a_flash():
    truths, masks = panning(20)
    truths[12] = np.full_like(truths[0], 255)
    narrow = ([each[:, :110] for each in one] for one in (truths, masks))
    found = stitch(*narrow, max_memory_mb=1)  # nine frames
    assert [(one.shot, len(one.frames)) for one in found] == [(1, 12), (2, 1), (1, 7)]


def test_few_frames_are_held_and_all_that_they_show_is_there():
    truths, masks = panning(36, speed=4.0)
    (whole,) = stitch(truths, masks)
    # A frame with its mask and what it is compared by takes 0.13 MB.
    (held,) = stitch(truths, masks, max_memory_mb=2)  # fifteen frames
    sizes = np.array([held.picture.shape[:2], whole.picture.shape[:2]])
    assert np.abs(sizes[0] - sizes[1]).max() <= 2
    assert held.seen_share > whole.seen_share - 0.01


def test_the_tracked_points_of_one_frame_alone_are_held():
    truths, masks = panning(6)
    stitcher = BackgroundStitcher()
    for t, pair in enumerate(zip(truths, masks, strict=True)):
        stitcher.add(t, hide(*pair, pts=t))
    # The tracker remembers a few by itself; classes and modules are shared by all.
    shared = (CameraTracker, type, ModuleType, FunctionType, MethodType)
    held, found = [stitcher], {}
    while held:
        one = held.pop()
        if id(one) not in found and not isinstance(one, shared):
            found[id(one)] = one
            held.extend(gc.get_referents(one))
    assert sum(isinstance(one, TrackedView) for one in found.values()) == 1


def test_a_full_memory_begins_another_picture(caplog):
    caplog.set_level("INFO")
    truths, masks = panning(50, speed=4.0)
    narrow = ([each[:, :110] for each in one] for one in (truths, masks))
    backgrounds = stitch(*narrow, max_memory_mb=1)  # nine frames
    assert len(backgrounds) > 1
    assert {each.shot for each in backgrounds} == {1}
    assert sum(len(each.frames) for each in backgrounds) == 50
    assert "the memory is full, so another picture begins" in caplog.text


def test_a_camera_that_zooms_far_begins_another_picture(caplog):
    caplog.set_level("INFO")
    world = texture(4, 3 * HEIGHT, 3 * WIDTH)
    truths = []
    for t in range(30):
        zoom = 0.45 * 1.08**t
        truths.append(view(world, 216 - 72 / zoom, 144 - 48 / zoom, zoom))
    backgrounds = stitch(truths, [disc(20, radius=4)] * 30)
    assert len(backgrounds) > 1
    assert "turned or zoomed far" in caplog.text


def test_16_bits_stay():
    truths, masks = panning(8)

    def clip():
        for t, (truth, mask) in enumerate(zip(truths, masks, strict=True)):
            item = hide(truth, mask, pts=t)
            fine = item.frame.image.astype(np.uint16) * 256 + 77
            yield replace(item, frame=replace(item.frame, image16=fine))

    (background,) = BackgroundStitcher()(clip())
    assert background.picture.dtype == np.uint16
    assert background.picture[..., 3].max() == 65535
    (coarse,) = stitch(truths, masks)
    seen = (background.picture[..., 3] > 0) & (coarse.picture[..., 3] > 0)
    difference = background.picture[seen] / 256 - coarse.picture[seen]
    assert np.abs(difference[:, :3]).mean() < 1


def test_a_large_picture_is_reduced():
    truths, masks = panning()
    (background,) = stitch(truths, masks, max_side_px=120)
    assert max(background.picture.shape[:2]) == 120
    assert background.scale > 1.5
    shown, seen = frames_of(background)
    assert psnr(truths, shown, seen) > 20


def test_a_frame_that_shows_nothing_known_is_no_error():
    truths, masks = panning(6)
    masks[3] = np.ones((HEIGHT, WIDTH), bool)
    (background,) = stitch(truths, masks)
    assert len(background.frames) == 6
    (nothing,) = stitch(truths[:2], [np.ones((HEIGHT, WIDTH), bool)] * 2)
    assert nothing.seen_share == 0
    assert list(BackgroundStitcher()(iter(()))) == []


@pytest.mark.parametrize("rim_px", [0, 9])
def test_a_shot_may_begin_with_what_nothing_can_be_compared_with(rim_px):
    truths, masks = panning(8)
    hidden = np.zeros((HEIGHT, WIDTH), bool)
    hidden[rim_px : HEIGHT - rim_px, rim_px : WIDTH - rim_px] = True
    masks[:2] = [hidden] * 2
    (background,) = stitch(truths, masks)
    assert len(background.frames) == 8
    assert background.seen_share > 0.9
    assert sum(each.residual_grey is None for each in background.frames) <= 3
    assert background.frames[-1].residual_grey is not None


def test_frames_of_one_row_are_one_picture():
    row = np.arange(0, 240, 8, dtype=np.uint8)[None, :, None].repeat(3, axis=2)
    (background,) = stitch([row] * 3, [np.zeros(row.shape[:2], bool)] * 3)
    assert background.picture.shape == (1, 30, 4)
    (background,) = stitch([row[:, :1]] * 2, [np.zeros((1, 1), bool)] * 2)
    assert background.picture.shape == (1, 1, 4)


def test_what_a_clip_is_transparent_in_is_not_seen():
    truths, masks = panning(4, speed=0)
    alpha = np.full((HEIGHT, WIDTH), 255, np.uint8)
    alpha[:, :40] = 0
    items = [hide(truth, np.zeros_like(mask), pts=t)
             for t, (truth, mask) in enumerate(zip(truths, masks, strict=True))]  # fmt: skip
    stored = [StoredPicture("", (), item.frame.image, None, alpha) for item in items]
    (background,) = BackgroundStitcher()(
        replace(item, frame=replace(item.frame, stored=picture))
        for item, picture in zip(items, stored, strict=True)
    )
    assert not background.picture[:90, :36, 3].any()
    assert background.picture[:90, 50:140, 3].all()


def test_the_foreground_is_no_background():
    truths, masks = panning(4, speed=0)
    nothing, foreground = np.zeros_like(masks[0]), np.zeros_like(masks[0])
    foreground[30:60, 40:60] = True
    items = [replace(hide(truth, nothing, pts=t), foreground=reduce_to_blocks(foreground))
             for t, truth in enumerate(truths)]  # fmt: skip
    (background,) = BackgroundStitcher()(items)
    assert not background.picture[32:58, 42:58, 3].any()
    assert background.picture[30:60, 70:140, 3].all()


def test_values_that_cannot_work_are_refused():
    with pytest.raises(ConfigError, match="samples"):
        BackgroundStitcher(samples=0)
    large = MaskedFrame(
        replace(hide(np.zeros((HEIGHT, WIDTH, 3), np.uint8), disc(20)).frame,
                image=np.zeros((600, 800, 3), np.uint8)),
        np.zeros((600, 800), bool),
    )  # fmt: skip
    with pytest.raises(ConfigError, match="max_memory_mb=1: holds fewer than 8 frames"):
        BackgroundStitcher(max_memory_mb=1).add(0, large)
    # Eight that fit by themselves, but not with what making the picture needs.
    image = np.zeros((160, 150, 3), np.uint8)
    fits_alone = MaskedFrame(replace(large.frame, image=image), np.zeros(image.shape[:2], bool))
    with pytest.raises(ConfigError, match="set at least 2"):
        BackgroundStitcher(max_memory_mb=1).add(0, fits_alone)
