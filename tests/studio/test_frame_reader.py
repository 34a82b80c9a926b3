"""Frames by their number are those of a reading from the beginning, in any order."""

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from outtake.core.errors import VideoError
from outtake.studio import frame_reader
from outtake.studio.frame_reader import FrameReader
from outtake.video.read.clip import open_clip
from outtake.video.read.inputs import expand_inputs
from outtake.video.read.reader import VideoReader

FRAMES = 90


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Uneven times over more than the 20 s from which on the reader seeks, and B-frames."""
    path = tmp_path_factory.mktemp("video") / "uneven.mp4"
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.options = {"g": "12", "bf": "2"}
        pts = 0
        for _ in range(FRAMES):
            picture = rng.integers(0, 256, (4, 6, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = pts, Fraction(1, 1000)
            pts += int(rng.choice([200, 330, 700]))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_frames_of_a_video_by_number(video):
    with open_clip(video, high_bit_depth=False) as clip:
        wanted = [frame.image.copy() for frame in clip]
    assert len(wanted) == FRAMES
    reader = FrameReader(expand_inputs(video)[0])
    assert reader.count == FRAMES
    order = [0, 80, 79, 81, 5, 89, 40, 0, *np.random.default_rng(1).permutation(FRAMES)[:20]]
    for number in order:
        assert np.array_equal(reader.read(int(number)), wanted[number]), number
    for number in (-1, FRAMES):
        with pytest.raises(VideoError, match=f"there are 0 to {FRAMES - 1}"):
            reader.read(number)
    reader.close()
    assert np.array_equal(reader.read(60), wanted[60])


def test_a_video_is_looked_at_once_and_frames_before_come_with_one_seek(video, monkeypatch):
    reader = FrameReader(expand_inputs(video)[0])
    opened = []

    def refuse(*_):
        raise AssertionError("looked at again")

    monkeypatch.setattr("outtake.video.read.reader.probe_with_start", refuse)
    select = VideoReader.select
    monkeypatch.setattr(
        VideoReader, "select", lambda *args: opened.append(args[1]) or select(*args)
    )
    reader.read_soon(70)
    for number in (70, 69, 68, 67, 66):
        reader.read(number)
    assert len(opened) == 2


def test_few_frames_are_kept_and_none_is_decoded_ahead(tmp_path, monkeypatch):
    monkeypatch.setattr(frame_reader, "_KEPT_FRAMES", 3)
    for number in range(12):
        Image.fromarray(np.full((4, 6, 3), number, np.uint8)).save(tmp_path / f"{number}.png")
    (tmp_path / "11.png").write_bytes(b"damaged")
    reader = FrameReader(expand_inputs(tmp_path)[0])
    for number in (10, 2, 0, 2, 7, 9):
        assert (reader.read(number) == number).all()
    assert len(reader._kept) == 3
    with pytest.raises(VideoError):
        reader.read(11)


def test_pictures_of_several_sizes_are_named_at_the_start(tmp_path):
    for number in range(4):
        size = (24, 32) if number != 2 else (24, 30)
        Image.fromarray(np.zeros((*size, 3), np.uint8)).save(tmp_path / f"{number}.png")
    (source,) = expand_inputs(tmp_path)
    with pytest.raises(VideoError, match=r"2\.png: is 30x24, and 0\.png is 32x24"):
        FrameReader(source)


def test_a_picture_of_another_size_that_came_later_is_named_when_it_is_read(tmp_path):
    for number in range(3):
        Image.fromarray(np.zeros((24, 32, 3), np.uint8)).save(tmp_path / f"{number}.png")
    reader = FrameReader(*expand_inputs(tmp_path))
    Image.fromarray(np.zeros((32, 24, 3), np.uint8)).save(tmp_path / "1.png")
    assert reader.read(2).shape == (24, 32, 3)
    with pytest.raises(VideoError, match=r"1\.png: is 24x32"):
        reader.read(1)


def test_a_clip_of_one_frame(tmp_path):
    Image.fromarray(np.full((24, 32, 3), 9, np.uint8)).save(tmp_path / "a.png")
    reader = FrameReader(*expand_inputs(tmp_path / "a.png"))
    assert reader.count == 1 and (reader.read(0) == 9).all()


def test_frames_of_a_turned_video_of_ten_bits_are_seen_upright(tmp_path):
    path = tmp_path / "phone.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p10le"
        stream.set_display_rotation(90)
        picture = np.zeros((48, 64, 3), np.uint8)
        picture[:, :32] = 255
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p10le")))
        container.mux(stream.encode())
    reader = FrameReader(*expand_inputs(path))
    found = reader.read(1)
    assert (reader.count, reader.info.height, reader.info.width) == (3, 64, 48)
    assert found.dtype == np.uint8 and found.shape == (64, 48, 3)
    assert abs(float(found[:30].mean()) - float(found[34:].mean())) > 200
    reader.close()
