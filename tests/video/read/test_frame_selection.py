"""Which part of a clip is read, and what an input value stands for."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from outtake.core.errors import ConfigError, VideoError
from outtake.video.read.clip import open_clip
from outtake.video.read.frame_selection import FrameSelection
from outtake.video.read.inputs import expand_inputs
from outtake.video.read.safety_limits import SafetyLimits
from outtake.video.write.video_writer import open_writer
from tests.video.corpus import FRAMES, GOOD, encode_clip, images


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
def test_a_part_that_can_not_be_is_one_line(options, line):
    with pytest.raises(ConfigError, match=line):
        FrameSelection.from_config(**options)


def test_times_are_read_as_people_write_them():
    assert FrameSelection.from_config("1:02:03.5").start_s == Fraction(7447, 2)
    assert FrameSelection.from_config("02:03").start_s == 123 and FrameSelection.from_config(
        0.1
    ).start_s == Fraction(1, 10)


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


def test_a_file_that_is_still_written_is_told(tmp_path):
    path = tmp_path / "a.mkv"
    GOOD["h264 live mkv"].make(path)
    with open_clip(path) as clip:
        frames = iter(clip)
        next(frames)
        with path.open("ab") as file:
            file.write(b"\xec\x80")  # an empty element: the file is in order
        with pytest.raises(VideoError, match="changed while it was read, after 12 frames"):
            list(frames)


def test_an_input_stands_for_one_clip_or_several(tmp_path, folder):
    for name in ("a10.mp4", "a9.mp4", "b.mkv"):
        encode_clip(tmp_path / name, frames=1)
    (tmp_path / "notes.txt").touch()

    def names(value):
        return [source.path.name for source in expand_inputs(value)]

    assert names(str(tmp_path / "a9.mp4")) == ["a9.mp4"]
    assert names(str(tmp_path / "*.mp4")) == ["a9.mp4", "a10.mp4"]
    assert names(f"{tmp_path}/*") == ["a9.mp4", "a10.mp4", "b.mkv", "frames"]
    assert names([str(tmp_path / "b.mkv"), str(tmp_path / "a*")]) == ["b.mkv", "a9.mp4", "a10.mp4"]
    assert names(["rtsp://host/door", "camera:0"]) == ["door", "camera:0"]
    (clip,) = expand_inputs(str(folder / "f*.png"))
    assert [path.name for path in clip.images] == [f"f{i + 1}.png" for i in range(FRAMES)]
    (clip,) = expand_inputs([str(folder / "f3.png"), str(folder / "f1.png")])
    assert [path.name for path in clip.images] == ["f3.png", "f1.png"]
    assert len(times(open_clip(clip, fps=10))) == 2
    assert times(open_clip([folder / "f3.png", folder / "f1.png"], fps=10)) == [0, 0.1]
    assert times(open_clip(folder / "f3.png")) == [0]


def test_an_input_that_stands_for_nothing_is_one_line(tmp_path, folder):
    encode_clip(tmp_path / "a.mp4", frames=1)
    (tmp_path / "notes.txt").touch()
    (tmp_path / "films").mkdir()
    encode_clip(tmp_path / "films" / "a.mp4", frames=1)
    encode_clip(tmp_path / "films" / "b.mp4", frames=1)
    wrong = {
        str(tmp_path / "*.mov"): r"nothing matches .*\*\.mov; .* holds a\.mp4",
        str(tmp_path / "*.txt"): "1 files match, none of them a video or an image",
        str(tmp_path / "b.mp4"): r"no such video: .*b\.mp4; .* holds a\.mp4",
        str(tmp_path / "films"): r"holds no image .* for its 2 videos say '.*films/\*'",
        str(tmp_path / "films" / "*"): "are 2 clips .* one is taken here",
        "gopher://host/x": "unknown kind of stream",
    }
    for value, line in wrong.items():
        with pytest.raises(VideoError, match=line):
            open_clip(value)
    with pytest.raises(VideoError, match=r"mixes images \(f1\.png\) and videos \(a\.mp4\)"):
        expand_inputs([str(folder / "f1.png"), str(tmp_path / "a.mp4")])
    with pytest.raises(VideoError, match="the list is empty"):
        expand_inputs([])


def test_a_name_that_looks_like_an_address_or_a_glob_is_a_file_if_it_is_there(tmp_path):
    for name in ("concat:a.mp4", "take[1].mp4"):
        encode_clip(tmp_path / name, frames=2)
        assert len(times(open_clip(str(tmp_path / name)))) == 2


def test_a_digest_names_the_bytes(tmp_path, folder, video):
    before = open_clip(video).digest(), open_clip(folder).digest()
    assert (open_clip(video, start=1).digest(), open_clip(folder).digest()) == before
    cv2.imwrite(str(folder / "f2.png"), np.zeros((48, 64, 3), np.uint8))
    encode_clip(video, frames=50, pts=[513 * i for i in range(50)])
    assert open_clip(video).digest() != before[0] and open_clip(folder).digest() != before[1]
