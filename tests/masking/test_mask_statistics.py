from fractions import Fraction

import numpy as np
import pytest

from outtake.core.frames import LabelledFrame, MaskedFrame
from outtake.core.labels import LabelSpace
from outtake.core.types import TimedFrame
from outtake.masking.mask_clip import pair_masks
from outtake.masking.mask_source import MaskOfFrame
from outtake.masking.mask_statistics import count_values, mask_jump, measure_masks, reduce_mask

SIZE = (180, 320)


def boxes(*corners: tuple[int, int], side: int = 40) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    for x, y in corners:
        mask[y : y + side, x : x + side] = True
    return mask


def jump(before: np.ndarray, mask: np.ndarray) -> float | None:
    return mask_jump(reduce_mask(before), reduce_mask(mask))


def frame() -> TimedFrame:
    return TimedFrame(np.zeros((*SIZE, 3), np.uint8), 0, Fraction(1, 25))


@pytest.mark.parametrize(
    "mask",
    [boxes((104, 62)), boxes((160, 40)), boxes((98, 58), side=44)],
    ids=["drifts", "moves fast", "grows by its outline"],
)
def test_what_moves_or_trembles_does_not_jump(mask):
    assert jump(boxes((100, 60)), mask) < 0.05


def test_what_appears_or_vanishes_jumps():
    one, two = boxes((100, 60)), boxes((100, 60), (220, 60))
    assert jump(one, two) == jump(two, one) == pytest.approx(0.5, abs=0.1)
    assert jump(np.zeros(SIZE, bool), one) == 1
    # A piece is cut out of it.
    cut = one.copy()
    cut[60:100, 110:140] = False
    assert jump(one, cut) > 0.4


def test_masks_that_cannot_be_compared_have_no_jump():
    nothing = np.zeros(SIZE, bool)
    assert jump(nothing, nothing) is None
    assert jump(nothing, np.ones((90, 120), bool)) is None


def test_a_frame_is_compared_with_the_one_before():
    clip = [MaskedFrame(frame(), mask) for mask in (boxes((9, 9)), boxes((9, 9)), boxes((199, 99)))]
    statistics = [one.statistics for one in measure_masks(clip)]
    # The last one is elsewhere, but a shift explains it.
    assert [one.jump for one in statistics] == [None, 0, 0]
    assert all(one.contents == {} and one.uncertain_share is None for one in statistics)


def test_it_counts_the_classes_that_the_network_saw():
    labels = np.zeros(SIZE, np.uint8)
    labels[:90] = 2
    labels[90:120] = 255
    space = LabelSpace.from_names(("road", "car", "sky"))
    labelled = LabelledFrame(frame(), labels, space, uncertain_share=0.25)
    (found,) = measure_masks([MaskedFrame(frame(), boxes((5, 5)), labelled)])
    total = sum(found.statistics.contents.values())
    shares = {name: count / total for name, count in found.statistics.contents.items()}
    assert shares == pytest.approx({"sky": 0.5, "unlabelled": 1 / 6, "road": 1 / 3}, abs=0.02)
    assert found.statistics.uncertain_share == 0.25


def test_it_counts_the_values_of_masks_that_are_given():
    picture = np.zeros(SIZE, np.uint8)
    picture[:90] = 1
    mask = MaskOfFrame(picture, count_values(picture))
    (found,) = measure_masks(pair_masks([frame()], [mask]))
    assert set(found.statistics.contents) == {"0", "1"}
    assert found.statistics.contents["0"] == pytest.approx(found.statistics.contents["1"], rel=0.05)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_values_are_counted_alike_whatever_their_type(kind):
    picture = np.zeros((8, 12), kind)
    picture[:4, :4], picture[4:] = 7, 200
    assert count_values(picture) == {"0": 2, "7": 1, "200": 3}
    assert count_values(picture, step=1) == {"0": 32, "7": 16, "200": 48}
