from fractions import Fraction

import numpy as np
import pytest

from outtake.core.errors import ConfigError, UnknownClassError
from outtake.core.frames import LabelledFrame
from outtake.core.labels import LabelSpace
from outtake.core.mask_blocks import enlarge_blocks
from outtake.core.types import TimedFrame
from outtake.masking.policy import MaskPolicy

SPACE = LabelSpace.from_names(("road", "car", "person"))


def square(height: int = 120, width: int = 90) -> np.ndarray:
    labels = np.zeros((height, width), np.uint8)
    labels[40:60, 30:50] = 1
    return labels


def test_classes_are_chosen_by_name():
    assert MaskPolicy.from_names(SPACE, remove=["person", "car"]).ids == (2, 1)
    assert MaskPolicy.from_names(SPACE, keep_only=["road"]).ids == (1, 2)
    assert MaskPolicy.from_names(SPACE).ids == ()


def test_an_unknown_name_lists_the_classes():
    for arguments in ({"remove": ["cars"]}, {"keep_only": ["cars"]}):
        with pytest.raises(UnknownClassError, match="road, car, person"):
            MaskPolicy.from_names(SPACE, **arguments)


def test_remove_and_keep_only_exclude_each_other():
    with pytest.raises(ConfigError, match="exclude each other"):
        MaskPolicy.from_names(SPACE, remove=["car"], keep_only=["road"])


def test_the_mask_is_where_the_class_is():
    labels = square()
    labels[0, 0] = 2
    mask = MaskPolicy([1], dilate=0).mask(labels)
    assert mask.dtype == bool and np.array_equal(mask, labels == 1)
    assert not MaskPolicy([2], dilate=0).mask(square()).any()


def test_it_grows_by_a_share_of_the_height_with_a_round_tip():
    mask = MaskPolicy([1], dilate=0.05).mask(square())
    assert mask[40 - 6 : 60 + 6, 40].all() and not mask[40 - 7, 40] and not mask[60 + 6, 40]
    assert mask[50, 30 - 6] and not mask[50, 30 - 7]
    assert not mask[40 - 6, 30 - 6]


def test_it_grows_half_as_far_into_the_foreground():
    labels = square()
    labels[60:, :] = 2  # a person right below, and another one to the right
    labels[:60, 56:] = 2
    mask = MaskPolicy.from_names(SPACE, remove=["car"], dilate=0.1, foreground=["person"]).mask(
        labels
    )
    free = MaskPolicy.from_names(SPACE, remove=["car"], dilate=0.1).mask(labels)
    assert free[60:72, 40].all() and free[50, 56:62].all()
    assert mask[60:66, 40].all() and not mask[66:, 40].any()
    assert mask[50, :56].any() and not mask[50, 56:].any()  # 6 pixels away
    assert np.array_equal(mask[labels == 0], free[labels == 0])


def test_the_foreground_goes_with_the_frame_a_little_grown():
    labels = square()
    labels[100:110, 70:80] = 2
    frame = TimedFrame(np.zeros((120, 90, 3), np.uint8), 0, Fraction(1, 25))
    policy = MaskPolicy([1], dilate=0.05, vote=0, foreground=[2])
    (found,) = policy([LabelledFrame(frame, labels, SPACE)])
    assert found.foreground is not None and found.foreground.shape == (30, 23)
    foreground = enlarge_blocks(found.foreground, labels.shape)
    assert foreground[100 - 6 : 110 + 6, 75].all() and not foreground[:92].any()
    for given, told in (([2], square()), ((), labels)):
        (found,) = MaskPolicy([1], foreground=given)([LabelledFrame(frame, told, SPACE)])
        assert found.foreground is None


def test_a_class_that_is_removed_is_no_foreground():
    with pytest.raises(ConfigError, match=r"mask\.foreground: car is removed itself"):
        MaskPolicy.from_names(SPACE, keep_only=["road"], foreground=["car"])
    with pytest.raises(UnknownClassError, match=r"mask\.foreground: unknown class 'cat'"):
        MaskPolicy.from_names(SPACE, remove=["car"], foreground=["cat"])


def test_small_regions_are_dropped_and_holes_filled():
    labels = square()
    labels[45:50, 35:40] = 0
    labels[100:102, 80:82] = 1
    mask = MaskPolicy([1], dilate=0, min_area=0.001).mask(labels)
    assert np.array_equal(mask, square() == 1)
    plain = MaskPolicy([1], dilate=0, fill_holes=False).mask(labels)
    assert np.array_equal(plain, labels == 1)


def test_a_view_through_a_thin_frame_is_no_hole():
    labels = np.zeros((60, 60), np.uint8)
    labels[5:55, 5:55] = 1
    labels[7:53, 7:53] = 0
    assert np.array_equal(MaskPolicy([1], dilate=0).mask(labels), labels == 1)


@pytest.mark.parametrize("options", [{"dilate": -0.1}, {"dilate": 1}, {"min_area": 2}])
def test_shares_outside_their_range_are_refused(options):
    with pytest.raises(ConfigError, match="at least 0 and below 1"):
        MaskPolicy([1], **options)


def test_it_is_a_stage_that_keeps_frames_and_labels():
    frames = [TimedFrame(np.zeros((120, 90, 3), np.uint8), pts, Fraction(1, 25)) for pts in (3, 9)]
    clip = [LabelledFrame(frame, square(), SPACE) for frame in frames]
    out = list(MaskPolicy([1])(iter(clip)))
    assert [item.frame for item in out] == frames
    assert all(item.labelled is given for item, given in zip(out, clip, strict=True))
