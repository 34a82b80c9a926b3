from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from outtake.core.errors import ConfigError, VideoError
from outtake.video.colour import plane_arrays
from outtake.video.interlacing import FieldMarker, make_progressive, read_field_order
from outtake.video.read.clip import open_clip
from outtake.video.read.probe import probe
from outtake.video.write.encoding_plan import EncodingRequest
from outtake.video.write.video_writer import open_writer
from tests.video.moving_scene import decode


def combed(count: int, order: str | None = "tff") -> list[av.VideoFrame]:
    """A bar that moves from field to field."""
    marker = FieldMarker(order) if order else None
    frames = []
    for number in range(count):
        frame = av.VideoFrame(96, 64, "yuv420p")
        frame.pts, frame.time_base = 40 * number + number % 3, Fraction(1, 1000)
        y, *chroma = plane_arrays(frame)
        y[:] = 16
        for plane in chroma:
            plane[:] = 128
        y[0::2, 8 * number : 8 * number + 16] = 235
        y[1::2, 8 * number + 4 : 8 * number + 20] = 235
        frames.append(marker.mark(frame) if marker else frame)
    return frames


def comb(frame: av.VideoFrame) -> float:
    y = plane_arrays(frame)[0].astype(int)
    return float(np.abs(y[1:-1] - (y[:-2] + y[2:]) // 2).mean())


@pytest.mark.parametrize("order", ["tff", "bff", None])
def test_the_order_of_fields_is_read_from_the_frame(order):
    assert read_field_order(combed(1, order)[0]) == order


def test_interlaced_frames_become_progressive_at_their_own_times():
    source = combed(6)
    made = list(make_progressive(iter(source)))
    assert [frame.pts for frame in made] == [frame.pts for frame in source]
    assert {frame.time_base for frame in made} == {Fraction(1, 1000)}
    assert not any(frame.interlaced_frame for frame in made)
    assert max(map(comb, made)) < min(map(comb, source)) / 4


def test_progressive_frames_stay_as_they_are():
    source = combed(4, None)
    for before, after in zip(source, make_progressive(iter(source)), strict=True):
        assert np.array_equal(plane_arrays(before)[0], plane_arrays(after)[0])


def test_frames_before_damage_come_out():
    def broken():
        yield from combed(3)
        raise VideoError("damaged")

    found = []
    with pytest.raises(VideoError, match="damaged"):
        found.extend(make_progressive(broken()))
    found = []
    frames = make_progressive(broken())
    with pytest.raises(VideoError):
        for frame in frames:
            found.append(frame.pts)
    assert found == [0, 41, 82]


@pytest.fixture(params=["tff", "bff"])
def interlaced(request, tmp_path):
    path = tmp_path / "in.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"flags": "+ildct+ilme", "crf": "0"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for frame in combed(6, request.param):
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path, request.param


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("o.mp4", "auto"),
        ("o.mov", "auto"),
        ("o.mov", "prores"),
        ("o.mkv", "ffv1"),
        ("o.mkv", "mpeg2"),
        ("o.mp4", "mpeg2"),
    ],
)
def test_fields_are_kept(interlaced, tmp_path, name, codec, caplog):
    source, order = interlaced
    clip = open_clip(source)
    assert clip.info.field_order == order
    with clip, open_writer(tmp_path / name, clip.info, EncodingRequest(codec)) as writer:
        for frame in clip:
            writer.write(frame)
    assert probe(tmp_path / name).field_order == order
    assert all(read_field_order(frame) == order for frame in decode(tmp_path / name))
    assert (
        caplog.text.count("is interlaced: each picture holds two fields, which a video keeps") == 1
    )


def test_read_deinterlace_makes_whole_pictures(interlaced, tmp_path, caplog):
    source, _ = interlaced
    clip = open_clip(source, deinterlace="bwdif")
    with clip, open_writer(tmp_path / "o.webm", clip.info) as writer:
        frames = list(clip)
        for frame in frames:
            writer.write(frame)
    assert [frame.pts for frame in frames] == [frame.pts for frame in open_clip(source)]
    assert not any(frame.interlaced_frame for frame in decode(tmp_path / "o.webm"))
    assert max(map(comb, decode(tmp_path / "o.webm"))) < min(map(comb, decode(source))) / 2


@pytest.fixture
def unmarked(tmp_path) -> Path:
    """Two fields in each frame, of which the file says nothing."""
    path = tmp_path / "unmarked.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for frame in combed(6, "bff"):
            plain = av.VideoFrame.from_ndarray(frame.to_ndarray(), format="yuv420p")
            plain.pts, plain.time_base = frame.pts, frame.time_base
            output.mux(stream.encode(plain))
        output.mux(stream.encode(None))
    return path


def test_what_is_not_marked_can_be_said_to_be_interlaced(unmarked, tmp_path):
    assert open_clip(unmarked).info.field_order is None
    clip = open_clip(unmarked, fields="bff")
    assert clip.info.field_order == "bff"
    with clip, open_writer(tmp_path / "o.mkv", clip.info, EncodingRequest("ffv1")) as writer:
        for frame in clip:
            writer.write(frame)
    assert all(read_field_order(frame) == "bff" for frame in decode(tmp_path / "o.mkv"))
    plain = [frame.pts for frame in open_clip(unmarked)]
    whole = open_clip(unmarked, fields="bff", deinterlace="bwdif")
    with whole, open_writer(tmp_path / "o.webm", whole.info) as writer:
        for frame in whole:
            plain.remove(frame.pts)
            writer.write(frame)
    assert not plain
    assert max(map(comb, decode(tmp_path / "o.webm"))) < min(map(comb, decode(unmarked))) / 2


def test_marks_can_be_wrong(interlaced, tmp_path, caplog):
    source, _ = interlaced
    clip = open_clip(source, fields="none")
    assert clip.info.field_order is None
    with clip, open_writer(tmp_path / "o.mkv", clip.info, EncodingRequest("ffv1")) as writer:
        for frame in clip:
            writer.write(frame)
    assert not any(frame.interlaced_frame for frame in decode(tmp_path / "o.mkv"))
    assert "interlaced" not in caplog.text


def test_fields_of_images_are_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((8, 8, 3), np.uint8))
    for options, key in (({"fields": "tff"}, "fields=tff"), ({"deinterlace": "bwdif"}, "deinterl")):
        with pytest.raises(ConfigError, match=rf"read\.{key}.* goes with a video"):
            open_clip(tmp_path, **options)


@pytest.mark.parametrize("suffix", ["mkv", "mov"])
def test_interlaced_mpeg2_stays_mpeg2_at_the_times_of_its_frames(interlaced, tmp_path, suffix):
    _, order = interlaced
    source = tmp_path / "in.ts"
    with av.open(str(source), "w") as output:
        stream = output.add_stream("mpeg2video", rate=25, options={"flags": "+ildct+ilme"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv422p"
        for number, frame in enumerate(combed(6, order)):
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    target = tmp_path / f"o.{suffix}"
    with open_clip(source) as clip, open_writer(target, clip.info) as writer:
        frames = list(clip)
        for frame in frames:
            writer.write(frame)
    made = probe(target)
    assert (made.codec, made.field_order, made.chroma) == ("mpeg2video", order, "422")
    written = decode(target)
    assert [frame.pts * frame.time_base for frame in written] == [
        pytest.approx(frame.pts * frame.time_base, abs=1e-3) for frame in frames
    ]
    assert max(map(comb, written)) > 0.9 * max(map(comb, decode(source)))
