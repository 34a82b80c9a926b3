from fractions import Fraction

import numpy as np
import pytest

from outtake.core.errors import ConfigError, VideoError
from outtake.core.frames import MaskedFrame
from outtake.core.types import TimedFrame
from outtake.masking.build_mask_source import build_mask_source
from outtake.masking.find_mask_files import find_mask_files
from outtake.masking.mask_clip import pair_masks
from outtake.masking.mask_numbers import ClipFacts
from outtake.masking.mask_source import MaskOfFrame, ShiftedMasks
from outtake.masking.mask_values import MaskValueOptions
from outtake.removal.views import MaskRemover
from outtake.video.read.probe import VideoInfo
from outtake.video.write.encoding_plan import EncodingRequest
from outtake.video.write.video_writer import open_writer

RATE = Fraction(25)


def frames(count: int, height: int = 48, width: int = 64) -> list[TimedFrame]:
    return [
        TimedFrame(np.full((height, width, 3), pts, np.uint8), pts, 1 / RATE)
        for pts in range(count)
    ]


def drawn(masks: list[np.ndarray]) -> list[TimedFrame]:
    masked = [MaskedFrame(frame, mask) for frame, mask in zip(frames(9), masks, strict=False)]
    return [filled.frame for filled in MaskRemover()(masked)]


def given(masks: list[np.ndarray]) -> list[MaskOfFrame]:
    return [MaskOfFrame(mask.view(np.uint8)) for mask in masks]


def some_masks(count: int = 5) -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    return [draw.random((48, 64)) < 0.3 for _ in range(count)]


@pytest.mark.parametrize("name", ["masks", "masks.mkv"])
def test_masks_that_were_exported_come_back_exactly(tmp_path, name):
    masks = some_masks()
    info = VideoInfo(tmp_path, 64, 48, RATE, 1 / RATE, 5, 0.2)
    codec = "ffv1" if "." in name else "auto"
    with open_writer(tmp_path / name, info, EncodingRequest(codec=codec), audio="none") as writer:
        for picture in drawn(masks):
            writer.write(picture)
    found = build_mask_source(
        find_mask_files(tmp_path / name), MaskValueOptions(), clip=ClipFacts((48, 64), 5, True)
    )
    back = list(pair_masks(frames(5), found.source.open()))
    assert [item.frame.pts for item in back] == list(range(5))
    for item, mask in zip(back, masks, strict=True):
        assert item.mask.dtype == bool and np.array_equal(item.mask, mask)
        assert item.labelled is None


def test_a_mask_is_dilated_only_if_asked():
    mask = np.zeros((48, 64), bool)
    mask[20, 30] = True
    assert next(pair_masks(frames(1), given([mask]))).mask.sum() == 1
    (dilated,) = pair_masks(frames(1), given([mask]), grow=2 / 48)
    assert dilated.mask[18:23, 30].all() and not dilated.mask[17, 30]


def test_too_few_or_too_many_masks_are_an_error_that_names_the_frame():
    few = pair_masks(frames(5), given(some_masks(3)))
    assert len([next(few) for _ in range(3)]) == 3
    with pytest.raises(VideoError, match="masks end before frame 3 "):
        next(few)
    with pytest.raises(VideoError, match=r"the clip ends with frame 2 .* masks continue"):
        list(pair_masks(frames(3), given(some_masks(5))))
    with pytest.raises(VideoError, match="before frame 103 "):
        list(pair_masks(frames(5), given(some_masks(3)), first_number=100))

    with pytest.raises(VideoError, match=r"the clip ends with frame 99 "):
        list(pair_masks([], given(some_masks(1)), first_number=100))


def test_a_clip_that_was_cut_short_may_leave_masks_over():
    cut = pair_masks(frames(3), given(some_masks(5)), may_continue=lambda: True)
    assert len(list(cut)) == 3


def test_another_size_is_scaled_and_another_shape_an_error_that_names_the_frame():
    small = np.zeros((24, 32), np.uint8)
    small[6:12, 8:16] = 1
    (item,) = pair_masks(frames(1), [MaskOfFrame(small)])
    assert item.mask[12:24, 16:32].all() and abs(int(item.mask.sum()) - 12 * 16) < 30
    odd = [*given(some_masks(2)), MaskOfFrame(np.zeros((24, 40), np.uint8))]
    with pytest.raises(ConfigError, match="mask of frame 2 is 40x24, but the frame is 64x48"):
        list(pair_masks(frames(3), odd))
    with pytest.raises(ConfigError, match=r"masks.grow=1"):
        pair_masks([], [], grow=1)


def test_the_shape_of_masks_is_that_of_the_whole_clip_where_frames_were_made_smaller():
    drawn = np.zeros((49, 160), np.uint8)
    drawn[:, :80] = 1
    (item,) = pair_masks(frames(1), [MaskOfFrame(drawn)], whole_size=(49, 160))
    assert item.mask.shape == (48, 64) and item.mask[:, :31].all() and not item.mask[:, 33:].any()
    with pytest.raises(ConfigError, match="mask of frame 0 is 160x49, but the frame is 320x49"):
        list(pair_masks(frames(1), [MaskOfFrame(drawn)], whole_size=(49, 320)))


@pytest.mark.parametrize("offset", [3, -2])
@pytest.mark.parametrize("part", [range(2, 10), range(0, 10, 2), range(1, 9, 3), range(5, 10, 2)])
def test_masks_that_begin_elsewhere_stay_on_their_frames_where_a_part_is_read(
    tmp_path, offset, part
):
    masks = some_masks(4)
    for number, mask in enumerate(masks):
        np.save(tmp_path / f"{number}.npy", mask)
    found = build_mask_source(
        find_mask_files(tmp_path), MaskValueOptions(), clip=ClipFacts((48, 64))
    )
    shifted = ShiftedMasks(found.source, offset, part)
    for skip in (0, 1, 2):
        for frame, each in zip(part[skip:], shifted.open(skip), strict=False):
            of_frame = 0 <= frame - offset < 4
            assert (
                np.array_equal(each.mask, masks[frame - offset])
                if of_frame
                else (not each.mask.any())
            )


@pytest.mark.parametrize("offset", [2, -2])
@pytest.mark.parametrize("skip", [0, 1, 4])
def test_masks_may_begin_before_or_after_the_clip(tmp_path, offset, skip):
    masks = some_masks(4)
    for number, mask in enumerate(masks):
        np.save(tmp_path / f"{number}.npy", mask)
    found = build_mask_source(
        find_mask_files(tmp_path), MaskValueOptions(), clip=ClipFacts((48, 64))
    )
    shifted = ShiftedMasks(found.source, offset)
    paired = pair_masks(
        frames(7)[skip:], shifted.open(skip), may_continue=lambda: not shifted.one_for_each
    )
    back = [item.mask for item in paired]
    assert len(back) == 7 - skip
    for frame, mask in enumerate(back, skip):
        of_frame = 0 <= frame - offset < 4
        assert np.array_equal(mask, masks[frame - offset]) if of_frame else not mask.any()
