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


def write_numbered(path, codec, count, rate=25, **options):
    """Write frames that show their number as eight bars of black and white."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = 128, 32, "yuv420p"
        stream.gop_size = 12
        for number in range(count):
            bits = [255 * (number >> bit & 1) for bit in range(8)]
            row = np.repeat(np.asarray(bits, np.uint8), 16)
            picture = np.broadcast_to(row[None, :, None], (32, 128, 3))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def read_number(image):
    return sum(int(image[16, 16 * bit + 8].mean() > 128) << bit for bit in range(8))


def test_a_number_is_one_frame_in_a_recording_that_begins_anywhere(tmp_path):
    whole, path = tmp_path / "whole.ts", tmp_path / "cut.ts"
    write_numbered(whole, "libx264", 60, bf="3")
    packets = whole.read_bytes()
    path.write_bytes(packets[188 * (len(packets) // 188 // 3) :])
    with open_clip(path) as clip:
        wanted = [read_number(frame.image) for frame in clip]
    reader = FrameReader(*expand_inputs(path))
    assert reader.count == len(wanted) < 50
    last = reader.count - 1
    for number in (20, last, 0, 1, last, last - 1):
        assert read_number(reader.read(number)) == wanted[number], number
    assert read_number(next(reader.read_on(last, last))) == wanted[last]


@pytest.mark.parametrize(
    ("codec", "name"),
    [("mpeg4", "a.avi"), ("mpeg4", "a.mp4"), ("libvpx", "a.webm"), ("libvpx-vp9", "b.webm")],
)
def test_a_clip_without_a_list_of_frames_is_decoded_once(
    tmp_path, codec, name, monkeypatch, caplog
):
    path = tmp_path / name
    options = {"bf": "2"} if codec == "mpeg4" else {"deadline": "realtime", "cpu-used": "8"}
    write_numbered(path, codec, 200, rate=5, **options)
    with caplog.at_level("INFO"):
        reader = FrameReader(*expand_inputs(path))
    assert f"{name} does not say when its frames are shown: it is decoded once" in caplog.text
    assert reader.count == 200 and reader.time_s(150) == 30
    decoded = []
    decode = VideoReader._checked_frames
    monkeypatch.setattr(
        VideoReader,
        "_checked_frames",
        lambda self, *given: (decoded.append(f) or f for f in decode(self, *given)),
    )
    for number in (190, 130, 199, 150):
        assert read_number(reader.read(number)) == number
    assert len(decoded) < 20  # those that lie before are not converted, and most not decoded
    reader.close()


def test_where_seeking_finds_another_frame_frames_are_counted(tmp_path, monkeypatch):
    path = tmp_path / "a.mp4"
    write_numbered(path, "libx264", 60)
    reader = FrameReader(*expand_inputs(path))
    select = VideoReader.select
    late = Fraction(1, 50)

    def select_late(video, selection):
        if selection.start_s is not None:
            selection = frame_reader.FrameSelection(selection.start_s + late)
        return select(video, selection)

    monkeypatch.setattr(VideoReader, "select", select_late)
    for number in (50, 10, 59):
        assert read_number(reader.read(number)) == number
    reader.close()


def test_an_animation_shows_frames_when_it_says(tmp_path):
    path, durations = tmp_path / "a.webp", [40, 900, 60, 1000, 40]
    pictures = [Image.new("RGB", (32, 24), (50 * number,) * 3) for number in range(5)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=durations,
                     lossless=True)  # fmt: skip
    reader = FrameReader(*expand_inputs(path))
    assert reader.count == 5 and reader.time_s(3) == 1
    for number in (4, 1, 3):
        assert (reader.read(number) == 50 * number).all()
