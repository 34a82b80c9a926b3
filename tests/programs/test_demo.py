"""The scores of the demo: what a removed car hides is background, or somebody who moves."""

from __future__ import annotations

import numpy as np
import pytest

from outtake.data.scenes import Scenes
from outtake.programs.demo import (
    find_hidden_objects,
    find_hole,
    score_and_write_side_by_side,
    ssim,
    write_clip,
)


def test_hidden_objects_and_hidden_background_are_told_apart():
    clip = Scenes(height=120, width=180).clip("test", 4, 13)
    hidden, truth = find_hidden_objects(clip, 12)
    hole, background = find_hole(clip, 12)
    assert hidden.sum() > 50 and hole.sum() > 50 and not (hidden & hole).any()
    assert np.array_equal(truth[hole], background[hole])
    assert np.abs(truth[hidden].astype(int) - background[hidden]).mean() > 20
    assert ssim(truth, truth, hidden) == pytest.approx(1)
    assert ssim(background, truth, hidden) < 0.6


def test_an_untouched_video_has_the_score_of_the_car_that_is_still_there(tmp_path):
    clip = Scenes(height=120, width=180).clip("test", 4, 13)
    write_clip(clip, tmp_path / "before.mp4")
    video = tmp_path / "before.mp4"
    cleaned, untouched, moving, similarity = score_and_write_side_by_side(
        clip, video, video, tmp_path / "both.mp4"
    )
    assert cleaned == untouched < 20
    assert moving is not None and moving < 20
    assert similarity is not None and similarity < 0.6
