from fractions import Fraction

import numpy as np
import pytest

from outtake.core.errors import ConfigError, VideoError
from outtake.video.read.clip import open_clip
from outtake.video.read.frame_selection import FrameSelection
from outtake.video.write.video_writer import open_writer
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


@pytest.mark.parametrize("kind", ["video", "folder"])
def test_a_part_is_half_open_and_keeps_the_times_of_the_source(kind, request):
    source = request.getfixturevalue(kind)
    whole = times(open_clip(source))
    assert times(open_clip(source, start=0.08, end="00:00:00.24")) == whole[2:6]
    assert times(open_clip(source, start=0.1, end=0.25)) == whole[3:7]
    assert times(open_clip(source, end="0.2")) == whole[:5]
    assert times(open_clip(source, start="0:0.36")) == whole[9:]
    assert times(open_clip(source, every=4)) == whole[::4]
    assert times(open_clip(source, start=0.04, end=0.44, every=3)) == whole[1:11:3]


@pytest.mark.parametrize("kind", ["video", "folder"])
def test_skipping_gives_the_same_frames_as_reading_on(kind, request):
    source = request.getfixturevalue(kind)
    options = {"start": 0.04, "end": 0.4, "every": 2}
    with open_clip(source, **options) as clip:
        all_of_them = list(clip)
    for skip in (1, 3):
        with open_clip(source, skip=skip, **options) as clip:
            rest = list(clip)
        assert [frame.pts for frame in rest] == [frame.pts for frame in all_of_them[skip:]]
        for frame, truth in zip(rest, all_of_them[skip:], strict=True):
            assert np.array_equal(frame.image, truth.image)
    assert times(open_clip(source, skip=99, **options)) == []


@pytest.mark.parametrize(
    "name",
    ["h264 b-frames", "h264 open gop", "h264 transport stream", "vp9 webm opus", "mpeg4 avi mp3",
     "h264 variable rate mp4", "h264 fragments", "h265 8 bit mkv"],
)  # fmt: skip
def test_the_part_of_any_kind_of_file_is_what_reading_all_of_it_shows(name, tmp_path):
    path = tmp_path / GOOD[name].name
    GOOD[name].make(path)
    with open_clip(path) as clip:
        frames = list(clip)
    first = frames[0].pts * frames[0].time_base
    at = [frame.pts * frame.time_base - first for frame in frames]
    with open_clip(path, start=float(at[5]) - 0.001, end=float(at[9]) - 0.001) as clip:
        part = list(clip)
    assert [frame.pts for frame in part] == [frame.pts for frame in frames[5:9]]
    for frame, truth in zip(part, frames[5:9], strict=True):
        assert np.array_equal(frame.image, truth.image)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("long.mp4", {"g": "30", "bf": "2"}),
        ("long.mkv", {"g": "50", "x264-params": "open-gop=1:bframes=3:scenecut=0"}),
        ("long.mp4", {"g": "40", "x264-params": "intra-refresh=1:bframes=0"}),
        ("long.ts", {"g": "30"}),
    ],
)
def test_a_late_start_shows_what_reading_all_of_it_shows(name, options, tmp_path):
    path = tmp_path / name
    encode_clip(path, frames=700, pts=[512 * i for i in range(700)], options=options)
    with open_clip(path) as clip:
        frames = list(clip)
    with open_clip(path, start=24.02, end=25) as clip:
        part = list(clip)
    assert [frame.pts for frame in part] == [frame.pts for frame in frames[601:625]]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(part, frames[601:], strict=False))
    with open_clip(path, start=24.02, skip=50) as clip:
        assert [frame.pts for frame in clip] == [frame.pts for frame in frames[651:]]


def test_what_is_known_of_a_part_describes_the_part(video):
    info = open_clip(video, start=0.4, end=1.2, every=2).info
    assert (info.frames, info.duration_s, info.start_s, info.end_s) == (10, 0.8, 0.4, 1.2)
    assert info.fps == Fraction(25, 2)
    assert open_clip(video).info.start_s is None


def test_the_part_is_written_from_zero_with_its_sound(video, tmp_path):
    clip = open_clip(video, start=0.4, end=1.2)
    with clip, open_writer(tmp_path / "out.mp4", clip.info) as writer:
        for frame in clip:
            writer.write(frame)
    written = open_clip(tmp_path / "out.mp4")
    assert times(written) == [round(i / 25, 4) for i in range(20)]
    assert written.info.has_audio and abs(written.info.duration_s - 0.8) < 0.05


def test_an_empty_part_says_how_long_the_clip_is(video, folder):
    for start in (2.5, 10):
        with pytest.raises(VideoError, match=rf"start={start}: .*a\.mp4 .* it is 2\.000 s long"):
            list(open_clip(video, start=start))
    empty = r"read\.start=0\.05, read\.end=0\.06: .*has no frame there; it is 2"
    with pytest.raises(VideoError, match=empty):
        list(open_clip(video, start=0.05, end=0.06))
    with pytest.raises(VideoError, match=r"frames has no frame there; it is 0\.480 s long"):
        list(open_clip(folder, start=0.5))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"start": "soon"}, r"start=soon: give seconds .* or hh:mm:ss"),
        ({"start": "00:61:00"}, "start=00:61:00: give seconds"),
        ({"end": -1}, "end=-1: give seconds"),
        ({"start": 5, "end": 4}, "end=4: must be after read.start=5"),
        ({"every": 0}, "every=0: must be a whole number, 1 or more"),
        ({"every": 1.5}, "every=1.5: must be a whole number"),
    ],
)
def test_a_part_that_cannot_be_is_one_line(options, line):
    with pytest.raises(ConfigError, match=line):
        FrameSelection.from_config(**options)


def test_times_are_read_as_people_write_them():
    assert FrameSelection.from_config("1:02:03.5").start_s == Fraction(7447, 2)
    assert FrameSelection.from_config("02:03").start_s == 123 and FrameSelection.from_config(
        0.1
    ).start_s == Fraction(1, 10)


def test_a_file_that_is_still_written_is_reported(tmp_path):
    path = tmp_path / "a.mkv"
    GOOD["h264 live mkv"].make(path)
    with open_clip(path) as clip:
        frames = iter(clip)
        next(frames)
        with path.open("ab") as file:
            file.write(b"\xec\x80")  # an empty element: the file is in order
        with pytest.raises(VideoError, match="changed while it was read, after 12 frames"):
            list(frames)
