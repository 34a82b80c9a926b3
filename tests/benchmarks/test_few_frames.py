"""The benchmark of a few labelled frames: its scores, and its clips."""

from fractions import Fraction

import numpy as np
import pytest

from benchmarks.few_frames.__main__ import choose_more, correlate_ranks, score
from benchmarks.few_frames.clips import CLIPS
from outtake.core.frames import LabelledFrame
from outtake.core.labels import LabelSpace
from outtake.core.types import TimedFrame

LABELS = LabelSpace.from_names(("background", "object"))


def square(left):
    mask = np.zeros((60, 80), bool)
    mask[20:40, left : left + 20] = True
    return mask


def labelled(mask, unsure):
    frame = TimedFrame(np.zeros((60, 80, 3), np.uint8), 0, Fraction(1, 25))
    return LabelledFrame(frame, mask.astype(np.uint8), LABELS, uncertain_share=unsure)


def test_frames_with_labels_or_without_an_object_are_not_scored():
    truth = [square(10), square(20), square(30), np.zeros((60, 80), bool)]
    found = [labelled(square(60), 9.0), labelled(square(20), 0.1), labelled(square(40), 0.6)]
    scores = score([*found, labelled(square(0), 0.3)], truth, [0])
    assert scores.iou == pytest.approx([1, 1 / 3])
    # Half of the object is missed, but for what the growth of one pixel covers.
    assert scores.missed == pytest.approx([0, 9 / 20])
    assert scores.rank_correlation == pytest.approx(1)


def test_ranks_are_compared_and_not_values():
    assert correlate_ranks(np.array([1, 2, 30]), np.array([5, 7, 8])) == pytest.approx(1)
    assert correlate_ranks(np.array([1, 2, 30]), np.array([8, 7, 5])) == pytest.approx(-1)


def test_more_frames_are_the_unsure_ones_or_any():
    found = [labelled(square(10), each) for each in (0.1, 0.2, 0.9, 0.1, 0.1, 0.1, 0.1, 0.7)]
    assert choose_more("suggested", found, [0], 0) == [2, 7]
    drawn = choose_more("random", found, [0, 2], 3)
    assert drawn == choose_more("random", found, [0, 2], 3) and not {0, 2} & set(drawn)


def test_a_rendered_clip_shows_its_object():
    frames = CLIPS["parallax"].frames()
    image, mask = next(iter(frames))
    assert image.shape == (240, 432, 3) and 0.01 < mask.mean() < 0.2
