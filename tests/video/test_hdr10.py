import av
import pytest

from outtake.video.colour import plane_arrays
from outtake.video.hdr10 import Hdr10Metadata
from outtake.video.write.encoding_plan import EncodingRequest
from tests.video.moving_scene import decode, describe, shallow, write

MASTERED = Hdr10Metadata(
    ((0.708, 0.292), (0.17, 0.797), (0.131, 0.046), (0.3127, 0.329)), (0.005, 1000.0), (1000, 400)
)


@pytest.mark.parametrize("codec", ["h265", "h264", "av1"])
@pytest.mark.parametrize("known", [MASTERED, Hdr10Metadata(light_levels=(800, 200))], ids=str)
def test_what_an_encoder_is_told_is_what_players_read(tmp_path, codec, known):
    info = describe(tmp_path, hdr10=known)
    assert EncodingRequest().for_source(info).hdr10 == known
    path = write(tmp_path / "o.mp4", info, shallow()[:2], codec=codec)
    found = Hdr10Metadata.from_frame(decode(path)[0])
    assert found.light_levels == known.light_levels
    for before, after in zip(known.primaries, found.primaries, strict=True):
        assert after == pytest.approx(before, abs=2e-5)
    assert found.luminance == pytest.approx(known.luminance, rel=0.01)


def test_a_plain_frame_says_nothing():
    frame = av.VideoFrame(16, 16, "yuv420p")
    assert len(plane_arrays(frame)) == 3 and Hdr10Metadata.from_frame(frame) is None
