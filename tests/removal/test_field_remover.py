from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from outtake.core.frames import FilledFrame, MaskedFrame
from outtake.core.mask_blocks import enlarge_blocks, reduce_to_blocks
from outtake.core.types import TimedFrame
from outtake.removal.clean_plate.remover import CleanPlate
from outtake.removal.feather import FeatherRemover
from outtake.removal.field_remover import FieldRemover, remove_by_fields
from outtake.removal.inpaint import Inpaint
from outtake.removal.per_frame import map_frames
from outtake.removal.protocol import Context, Remover
from outtake.removal.side_by_side import SideBySide
from tests.removal.clean_plate.clips import HEIGHT, disc, psnr, texture, view


class Inverting(Remover):
    """Inverts the hole, and remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[MaskedFrame] = []

    def context(self, height, width, high_bit_depth=False):
        return Context(before=5, after=2, keyframe_reach=33, keyframe_step=16)

    def __call__(self, clip):
        def remember():
            for item in clip:
                self.given.append(item)
                yield item

        def invert(image, mask):
            return np.where(mask[..., None], 255 - image, image)

        return map_frames(remember(), invert, synthesises=True)


def weave(first: np.ndarray, second: np.ndarray, order: str = "tff") -> np.ndarray:
    """Two moments in the rows of one frame."""
    woven = (first if order == "tff" else second).copy()
    woven[1::2] = (second if order == "tff" else first)[1::2]
    return woven


def frame_of(image, mask, number, **more) -> MaskedFrame:
    return MaskedFrame(TimedFrame(image, number, Fraction(1, 25), **more), mask, None, number)


@pytest.mark.parametrize("order", ["tff", "bff"])
@pytest.mark.parametrize("height", [12, 13, 1])
def test_fields_come_in_the_order_of_time_and_are_woven_again(order, height):
    dice = np.random.default_rng(height)
    images = dice.integers(0, 256, (3, height, 10, 3), np.uint8)
    masks = dice.random((3, height, 10)) < 0.4
    inner = Inverting()
    items = [frame_of(*each) for each in zip(images, masks, (4, 5, 6), strict=True)]
    filled = list(FieldRemover(inner, order)(iter(items)))
    for item, one in zip(items, filled, strict=True):
        assert one.source is item and one.frame.pts == item.frame.pts
        expected = np.where(item.mask[..., None], 255 - item.frame.image, item.frame.image)
        assert np.array_equal(one.frame.image, expected)
        assert (one.statistics.origin > 0).tolist() == item.mask.tolist()
        assert one.statistics.synthesised == (1 if item.mask.any() else 0)
    assert [one.number for one in inner.given] == [8, 9, 10, 11, 12, 13]
    assert {one.frame.image.shape for one in inner.given} == {(-(-height // 2), 10, 3)}
    if height == 12:
        first = inner.given[0].frame.image
        assert np.array_equal(first, images[0][(0 if order == "tff" else 1) :: 2])


def test_16_bits_stay_outside_of_the_hole():
    image = np.random.default_rng(1).integers(0, 256, (8, 6, 3), np.uint8)
    deep = image.astype(np.uint16) * 257 + np.uint16(3)
    mask = np.zeros((8, 6), bool)
    mask[2:5] = True
    item = frame_of(image, mask, 0, image16=deep)
    (filled,) = FieldRemover(Inverting(), "tff")(iter([item]))
    assert np.array_equal(filled.frame.image16[~mask], deep[~mask])
    assert np.array_equal(filled.frame.image16[mask], (255 - image[mask]).astype(np.uint16) * 257)


@pytest.mark.parametrize("height", [32, 37, 3])
def test_fields_have_the_foreground_of_their_frame(height):
    foreground = np.random.default_rng(2).random((height, 22)) < 0.02
    item = frame_of(np.zeros((height, 22, 3), np.uint8), ~foreground, 0)
    inner = Inverting()
    blocks = reduce_to_blocks(foreground)
    list(FieldRemover(inner, "bff")(iter([replace(item, foreground=blocks)])))
    for one, row in zip(inner.given, (1, 0), strict=True):
        covered = enlarge_blocks(one.foreground, one.mask.shape)
        assert covered[: len(foreground[row::2])][foreground[row::2]].all()
        assert covered.mean() < 0.8 or height == 3


def test_the_context_is_counted_in_frames():
    context = FieldRemover(Inverting(), "tff").context(100, 100)
    assert (context.before, context.after) == (3, 1)
    assert (context.keyframe_reach, context.keyframe_step) == (17, 8)


def test_a_field_of_an_odd_height_has_the_longer_one_s_rows():
    asked = []
    inner = Inverting()
    inner.context = lambda *size: asked.append(size) or Context()
    FieldRemover(inner, "tff").context(13, 20, True)
    assert asked == [(7, 20, True)]


def test_a_remover_of_single_frames_and_whole_frames_need_no_fields():
    single, several = Inpaint(), CleanPlate()
    assert remove_by_fields(single, "tff", 100, 100) is single
    assert remove_by_fields(several, None, 100, 100) is several
    assert isinstance(remove_by_fields(several, "bff", 100, 100), FieldRemover)


@pytest.mark.parametrize("order", ["tff", "bff"])
def test_a_seam_is_as_wide_as_in_whole_frames_and_of_each_field(order):
    image, mask = np.zeros((100, 120, 3), np.uint8), np.zeros((100, 120), bool)
    mask[20:80, 30:90] = True
    mask[21:81:2] = np.roll(mask[21:81:2], 12, axis=1)
    item = frame_of(image, mask, 0, image16=image.astype(np.uint16))
    seamed = FeatherRemover(Inverting(), 0.05)
    (filled,) = remove_by_fields(seamed, order, 100, 120)(iter([item]))
    steps = 255 * np.arange(1, 6) / 6
    for row, left in ((50, 30), (51, 42)):
        across = filled.frame.image[row, :, 0].astype(int)
        assert not across[:left].any() and not across[left + 60 :].any()
        assert np.abs(across[left : left + 5] - steps).max() <= 1
        assert (across[left + 5 : left + 55] == 255).all()
    assert np.abs(filled.frame.image16 / 257 - filled.frame.image).max() < 1
    assert filled.statistics.synthesised == 1
    seamed = SideBySide(seamed)
    (both,) = remove_by_fields(seamed, order, 100, 120)(iter([item]))
    assert np.array_equal(both.frame.image[:, 122:], filled.frame.image)
    assert np.array_equal(both.frame.image16[:, 122:], filled.frame.image16)


def test_a_camera_that_changes_its_speed_is_followed():
    # At one speed the rows of all frames are torn alike, and fit each other.
    world = texture(1)
    moments = [view(world, 80 + 40 * np.sin(number / 7)) for number in range(48)]
    truths = [weave(*moments[number : number + 2]) for number in range(0, 48, 2)]
    masks = [disc(30 + 3.5 * number, HEIGHT / 2) for number in range(24)]
    hidden = [
        np.where(mask[..., None], np.uint8(0), truth)
        for truth, mask in zip(truths, masks, strict=True)
    ]
    items = [frame_of(*each) for each in zip(hidden, masks, range(24), strict=True)]
    scores, synthesised = [], []
    for remover in (FieldRemover(CleanPlate(), "tff"), CleanPlate()):
        filled = list(remover(iter(items)))
        scores.append(psnr(truths, [one.frame.image for one in filled], masks))
        synthesised.append(np.mean([one.statistics.synthesised for one in filled]))
    assert scores[0] > scores[1] + 5
    assert synthesised[0] < 0.05 < 0.1 < synthesised[1]


def test_the_bits_that_a_remover_gives_a_fill_are_woven_too():
    class Fine(Remover):
        def __call__(self, clip):
            for item in clip:
                deep = item.frame.image16 + np.uint16(5)
                yield FilledFrame(item, replace(item.frame, image16=deep))

    image = np.zeros((11, 8, 3), np.uint8)
    deep = np.arange(image.size, dtype=np.uint16).reshape(image.shape)
    item = frame_of(image, np.ones((11, 8), bool), 0, image16=deep)
    (filled,) = FieldRemover(Fine(), "bff")([item])
    assert np.array_equal(filled.frame.image16, deep + 5)
