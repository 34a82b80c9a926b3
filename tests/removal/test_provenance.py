from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from outtake.core.frames import OBSERVED, PROPAGATED, SYNTHESISED, FillStatistics
from outtake.core.types import TimedFrame
from outtake.removal.provenance import ORIGIN_COLOURS, provenance_frame
from tests.removal.frames import filled_frame


def nearest(colours: np.ndarray) -> int:
    """The origin whose colour is most like the mean hue of some pixels."""
    tint = colours.reshape(-1, 3).mean(axis=0)
    tint = tint - tint.mean()
    likeness = {w: np.dot(tint, np.array(c) - np.mean(c)) for w, c in ORIGIN_COLOURS.items()}
    return max(likeness, key=likeness.__getitem__)


def test_each_origin_has_its_colour_and_the_rest_none():
    frame, statistics = filled_frame()
    shown = provenance_frame(frame, statistics)
    assert (shown.pts, shown.time_base, shown.image16) == (9, Fraction(1, 30), None)
    for where in (OBSERVED, PROPAGATED, SYNTHESISED):
        assert nearest(shown.image[statistics.origin == where]) == where
    outside = shown.image[:60][statistics.origin[:60] == 0].astype(int)
    assert (outside.max(axis=1) == outside.min(axis=1)).all()
    assert (frame.image == filled_frame()[0].image).all()


@pytest.mark.parametrize("size", [(240, 432), (1080, 1920), (90, 60), (8, 8)])
def test_the_key_names_shares_at_any_size(size):
    frame = TimedFrame(np.full((*size, 3), 120, np.uint8), 0, Fraction(1, 25))
    some, other = (provenance_frame(frame, FillStatistics(a, 0, 1 - a)).image for a in (0.2, 0.8))
    assert some.shape == (*size, 3)
    if min(size) > 50:
        assert not np.array_equal(some, other), "the shares are written into the picture"
        assert some.max() == 255
    if min(size) > 200:
        assert (some[: size[0] // 3] == some[0, 0]).all(), "the key stays in its corner"


def test_before_and_after_side_by_side_is_painted_on_its_right():
    frame, statistics = filled_frame()
    wide = TimedFrame(np.concatenate([frame.image, frame.image], axis=1), 0, frame.time_base)
    shown = provenance_frame(wide, statistics).image
    left, right = shown[:60, :200].astype(int), shown[:60, 200:]
    assert (left.max(axis=2) == left.min(axis=2)).all()
    assert nearest(right[statistics.origin[:60] == SYNTHESISED]) == SYNTHESISED


def test_transparent_frames_can_be_shown():
    frame, statistics = filled_frame()
    four = TimedFrame(np.dstack([frame.image, frame.image[..., :1]]), 0, frame.time_base)
    assert np.array_equal(
        provenance_frame(four, statistics).image, provenance_frame(frame, statistics).image
    )
