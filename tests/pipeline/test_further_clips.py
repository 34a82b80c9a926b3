"""Clips in step with the input, whatever kind they are and wherever a segment begins."""

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from outtake.core.errors import ConfigError, SizeMismatchError, VideoError
from outtake.core.types import TimedFrame
from outtake.data.further_inputs import FurtherInput
from outtake.data.sample_range import SampleRange
from outtake.inference.clip_predictor import FULL_SCALE
from outtake.pipeline.further_clips import FurtherClip, attach_further, expand_further
from outtake.video.read.inputs import expand_inputs
from outtake.video.read.probe import VideoInfo
from outtake.video.read.safety_limits import SafetyLimits
from outtake.video.write.encoding_plan import EncodingRequest
from outtake.video.write.video_writer import open_writer

SIZE = (48, 64)
FRAMES = 6
DEPTH = FurtherInput("depth", 1, SampleRange(0, 4095))


def frames(count=FRAMES, first=0):
    for number in range(first, count):
        yield TimedFrame(np.full((*SIZE, 3), number, np.uint8), number, Fraction(1, 25))


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Depth that is 100 * number as 16-bit images, and a grey video of 20 * number."""
    folder = tmp_path_factory.mktemp("further")
    (folder / "depth").mkdir()
    info = VideoInfo(folder, SIZE[1], SIZE[0], Fraction(25), Fraction(1, 25))
    with open_writer(folder / "heat.mkv", info, EncodingRequest(codec="ffv1")) as heat:
        for number in range(FRAMES):
            depth = np.full(SIZE, 100 * number, np.uint16)
            Image.fromarray(depth).save(folder / f"depth/{number}.png")
            grey = np.full((*SIZE, 3), 20 * number, np.uint8)
            heat.write(TimedFrame(grey, number, Fraction(1, 25)))
    return folder


def further(path, each=DEPTH, part=None):
    (clip,) = expand_inputs(str(path))
    return FurtherClip(each, clip, part, SafetyLimits(), FULL_SCALE)


def both(clips, part=None):
    return further(clips / "depth", part=part), further(
        clips / "heat.mkv", FurtherInput("heat", 3), part
    )


@pytest.mark.parametrize("first", [0, 4])
def test_each_frame_has_what_the_clips_show_at_it(clips, first):
    found = list(attach_further(frames(first=first), both(clips), first))
    assert len(found) == FRAMES - first
    for number, frame in enumerate(found, first):
        assert frame.further.shape == (*SIZE, 4)
        assert (frame.further[..., 0] == round(100 * number / 4095 * 255)).all(), "as in training"
        assert (abs(frame.further[..., 1:].astype(int) - 20 * number) <= 1).all()
        assert frame.image[0, 0, 0] == number


def test_a_part_of_the_input_goes_with_the_same_part_of_the_clips(clips):
    found = list(attach_further(frames(2), both(clips, range(1, 5, 2))))
    for frame, number in zip(found, (1, 3), strict=True):
        assert frame.further[0, 0, 0] == round(100 * number / 4095 * 255)
        assert abs(int(frame.further[0, 0, 1]) - 20 * number) <= 1


def test_a_clip_that_ends_before_or_after_the_input_is_an_error(clips):
    with pytest.raises(VideoError, match="ends before frame 6"):
        list(attach_further(frames(FRAMES + 1), both(clips)))
    with pytest.raises(VideoError, match="the clip ends with frame 4"):
        list(attach_further(frames(FRAMES - 1), both(clips)))
    assert len(list(attach_further(frames(3), both(clips), may_continue=lambda: True))) == 3


def test_an_image_of_another_size_is_named(clips, tmp_path):
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(tmp_path / "0.png")
    with pytest.raises(SizeMismatchError, match=r"0\.png is 8x8 and its frame"):
        list(attach_further(frames(1), [further(tmp_path)]))


def test_one_clip_is_taken_for_each_input(clips):
    with pytest.raises(ConfigError, match="is a stream"):
        expand_further("depth", "rtsp://camera/1")
    with pytest.raises(ConfigError, match="give a video, or a folder of images"):
        expand_further("depth", 3)
    with pytest.raises(VideoError, match="depth"):
        expand_further("depth", str(clips / "absent.mkv"))
