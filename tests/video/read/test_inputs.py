from pathlib import Path

import cv2
import numpy as np
import pytest

from outtake.core.errors import VideoError
from outtake.video.read.clip import open_clip
from outtake.video.read.inputs import expand_inputs, natural_sort_key
from tests.video.corpus import FRAMES, encode_clip, images


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


def test_the_order_of_names_does_not_depend_on_that_of_a_listing():
    names = [Path(name) for name in ("A/2", "a/01", "a/1", "a/2", "a/10")]
    for given in (names, names[::-1]):
        assert sorted(given, key=natural_sort_key) == [names[n] for n in (1, 2, 0, 3, 4)]


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
