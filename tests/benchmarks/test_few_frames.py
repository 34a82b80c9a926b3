"""The benchmark of a few labelled frames: its scores, and its clips."""

from fractions import Fraction

import numpy as np
import pytest

from benchmarks.few_frames.__main__ import (
    choose_more,
    correlate_ranks,
    keep_labels,
    score,
    train_round,
)
from benchmarks.few_frames.clips import CLIPS
from benchmarks.few_frames.removals import compare_removals
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


def test_a_removal_is_compared_on_what_either_mask_covers():
    grey = np.full((60, 80, 3), 100, np.uint8)
    grey[..., 0] += np.arange(80, dtype=np.uint8)
    frames, truth = [], [square(5 + 10 * place) for place in range(6)]
    for mask in truth:
        frames.append(np.where(mask[..., None], np.uint8(250), grey))
    right = [mask.astype(np.uint8) for mask in truth]
    same = compare_removals(frames, truth, right, (1,), [grey] * 6)
    assert same.apart_db > 80 and same.true_db == same.found_db > 40
    half = [np.where(np.arange(80) < 15 + 10 * place, each, 0) for place, each in enumerate(right)]
    less = compare_removals(frames, truth, half, (1,), [grey] * 6)
    assert less.true_db == pytest.approx(same.true_db) and less.found_db < 20 > less.apart_db
    assert "with true masks" in less.line()
    assert (
        "dB from that with true masks" in compare_removals(frames, truth, half, (1,), None).line()
    )


def test_a_training_that_is_kept_is_not_made_again(tmp_path):
    (tmp_path / "first.json").write_text('{"steps": 900, "processor_s": 140.5}')
    assert train_round(tmp_path, "first", 900) == (tmp_path / "first", 140.5)


def test_labelled_frames_keep_their_labels():
    kept = keep_labels(
        [labelled(square(10), 0.1), labelled(square(20), 0.1)], [square(40)] * 2, [1]
    )
    assert np.array_equal(kept[0] > 0, square(10)) and np.array_equal(kept[1] > 0, square(40))
