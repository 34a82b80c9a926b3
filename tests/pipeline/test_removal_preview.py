from fractions import Fraction
from pathlib import Path

import pytest

from outtake.pipeline.removal_preview import preview_info
from outtake.video.read.probe import VideoInfo


@pytest.mark.parametrize(
    ("size", "small"),
    [((360, 640), (270, 480)), ((640, 360), (480, 270)), ((90, 160), (90, 160)),
     ((160, 1), (160, 2)), ((160, 40), (160, 40))],
)  # fmt: skip
def test_a_preview_is_never_larger_than_its_clip(size, small):
    height, width = size
    info = preview_info(VideoInfo(Path("in.mp4"), width, height, Fraction(25), Fraction(1, 25)))
    assert (info.height, info.width) == small
