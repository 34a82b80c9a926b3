"""What changes in the middle of a clip, or cannot be done, has a line."""

from fractions import Fraction
from pathlib import Path

import av
import pytest

from outtake.video.read.clip import open_clip
from outtake.video.read.probe import probe
from tests.video.corpus import FRAMES, TIME_BASE, draw_pictures, encode_clip


def broadcast(path: Path, aspects: list[Fraction]) -> Path:
    """Write an MPEG-2 transport stream with an encoder for each part, as broadcasts change over."""
    data, start = b"", 0
    for aspect in aspects:
        part = path.with_suffix(".part.ts")
        with av.open(str(part), "w", format="mpegts") as out:
            stream = out.add_stream("mpeg2video", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.codec_context.sample_aspect_ratio = aspect
            for number, picture in enumerate(draw_pictures(25)):
                frame = av.VideoFrame.from_ndarray(picture)
                frame.pts, frame.time_base = start + number, Fraction(1, 25)
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        data, start = data + part.read_bytes(), start + 25
    path.write_bytes(data)
    return path


def read_twice(path: Path) -> int:
    with open_clip(path) as clip:
        return len(list(clip)) and len(list(clip))


WIDE, NARROW = Fraction(4, 3), Fraction(1)


def test_pixels_that_change_their_shape_have_one_line(tmp_path, caplog):
    path = broadcast(tmp_path / "on.ts", [NARROW, WIDE, NARROW, WIDE])
    assert read_twice(path) == 100
    assert caplog.text.count("changes the shape of its pixels from 1:1 to 4:3 at about 0.9") == 1
    assert caplog.text.count("changes the shape") == 1


@pytest.mark.parametrize("name", ["one.ts", "one.mp4", "one.mkv"])
@pytest.mark.parametrize("aspect", [None, Fraction(4, 3)])
def test_pixels_of_one_shape_have_none(tmp_path, caplog, name, aspect):
    encode_clip(tmp_path / name, aspect=aspect)
    assert read_twice(tmp_path / name) == FRAMES
    assert "shape of its pixels" not in caplog.text


@pytest.mark.parametrize(("degrees", "made"), [(-10, 0), (-40, 0), (-80, 90), (-135.5, 180)])
def test_a_turn_by_an_odd_angle_has_one_line(tmp_path, caplog, degrees, made):
    encode_clip(tmp_path / "a.mp4", rotate=degrees, time_base=TIME_BASE)
    assert read_twice(tmp_path / "a.mp4") == FRAMES
    assert probe(tmp_path / "a.mp4").rotation == made
    said = f"turned by {round(-degrees)} degrees; only quarter turns are made, here by {made} deg"
    assert caplog.text.count(said) == 1


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_quarter_turn_has_none(tmp_path, caplog, degrees):
    encode_clip(tmp_path / "a.mp4", rotate=degrees)
    assert read_twice(tmp_path / "a.mp4") == FRAMES
    assert not caplog.text
