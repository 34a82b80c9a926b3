import pytest

from outtake.core.errors import ConfigError, VideoError
from outtake.video.read.clip import open_clip
from outtake.video.read.safety_limits import SafetyLimits
from tests.video.corpus import GOOD, encode_clip, images


def times(clip) -> list[float]:
    with clip:
        return [round(float(frame.pts * frame.time_base), 4) for frame in clip]


@pytest.fixture
def video(tmp_path):
    encode_clip(tmp_path / "a.mp4", frames=50, pts=[512 * i for i in range(50)], audio=["aac"])
    return tmp_path / "a.mp4"


@pytest.fixture
def folder(tmp_path):
    images(tmp_path / "frames", ".png")
    return tmp_path / "frames"


def test_limits_name_the_key_to_raise(video, folder):
    with pytest.raises(VideoError, match=r"frames of 64x48, .* read\.limits\.max_pixels=3000;"):
        open_clip(video, limits=SafetyLimits(max_pixels=3000))
    with pytest.raises(VideoError, match=r"read\.limits\.max_pixels=3000"):
        open_clip(folder, limits=SafetyLimits(max_pixels=3000))
    for source in (video, folder):
        with pytest.raises(VideoError, match=r"frames, and read\.limits\.max_frames=9; raise that"):
            open_clip(source, limits=SafetyLimits(max_frames=9))
        with pytest.raises(VideoError, match=r"read\.limits\.max_duration_s=0\.3; raise that"):
            open_clip(source, limits=SafetyLimits(max_duration_s=0.3))
        assert len(times(open_clip(source, end=0.2, limits=SafetyLimits(max_frames=9)))) == 5
    with pytest.raises(ConfigError, match=r"read\.limits\.max_frames=0: must be above 0 or null"):
        SafetyLimits(max_frames=0)


def test_a_header_without_a_count_is_limited_while_reading(tmp_path):
    path = tmp_path / "a.mkv"
    GOOD["h264 live mkv"].make(path)
    clip = open_clip(path, limits=SafetyLimits(max_frames=5))
    with pytest.raises(VideoError, match=r"has 6 frames, and read\.limits\.max_frames=5"):
        list(clip)
