from __future__ import annotations

import av
import numpy as np
import pytest

from outtake.core.errors import ConfigError, VideoError
from outtake.drawing.label_pictures import save_png
from outtake.removal.replace import Replace
from tests.removal.frames import filled_frames, masked_frame


def shown(remover: Replace, times_ms: list[int]) -> list[int]:
    return [
        int(out.image[20, 35, 0]) for out in filled_frames(remover, map(masked_frame, times_ms))
    ]


def test_an_image_covers_the_frame_and_shows_in_the_mask_only(tmp_path):
    wide = np.zeros((30, 200, 3), np.uint8)
    wide[:, :20] = (255, 0, 0)  # what is cut off
    wide[:, 20:180] = (10, 200, 30)
    wide[:, 180:] = (255, 0, 0)
    item = masked_frame(0)
    (out,) = filled_frames(Replace(save_png(tmp_path / "p.png", wide), soft_edge=0), [item])
    assert (out.image[item.mask] == (10, 200, 30)).all()
    assert (out.image[~item.mask] == 90).all()


def test_a_video_follows_the_time_of_the_clip(footage):
    times = [0, 99, 100, 250, 590]
    assert shown(Replace(footage), times) == [20, 20, 60, 100, 220]


def test_a_video_starts_again_or_holds_its_last_frame(footage):
    times = [500, 600, 700, 1250, 60_000]
    assert shown(Replace(footage, loop=True), times) == [220, 20, 60, 20, 20]
    assert shown(Replace(footage, loop=False), times) == [220] * 5


def test_a_segment_shows_what_the_whole_clip_shows(footage):
    times = list(range(0, 2400, 40))
    whole = shown(Replace(footage), times)
    assert len(set(whole)) == 6
    for first in (7, 31, 59):
        assert shown(Replace(footage), times[first:]) == whole[first:]


def test_a_colon_in_a_name_is_no_protocol(footage, monkeypatch):
    named = footage.rename(footage.with_name("a:b.mkv"))
    monkeypatch.chdir(named.parent)
    assert shown(Replace(named.name), [0, 250]) == [20, 100]


def test_a_list_of_other_files_is_not_followed(footage):
    """Whatever its name: a playlist that is shown behind would read what it names."""
    listed = footage.with_name("list.mkv")
    listed.write_text(f"ffconcat version 1.0\nfile {footage.name}\n")
    with av.open(str(listed)) as container:
        assert container.format.name == "concat", "FFmpeg itself takes it"
    with pytest.raises(VideoError, match="cannot be read as an image or a video"):
        Replace(listed)


def test_a_soft_edge_lies_inside_the_mask(tmp_path):
    white = save_png(tmp_path / "w.png", np.full((9, 9, 3), 250, np.uint8))
    item = masked_frame(0)
    (out,) = filled_frames(Replace(white, soft_edge=0.1), [item])
    row = out.image[20, :, 0].astype(int)
    assert (row[:20] == 90).all() and (row[50:] == 90).all() and row[35] == 250
    assert 90 < row[20] < row[21] < row[22] < 250


def test_a_file_that_is_missing_or_nothing_to_show_is_one_line(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")
    for name, why in (
        ("gone.mp4", "no such file"),
        ("", "is a folder"),
        ("notes.txt", "cannot be read"),
        ("broken.png", "cannot be read"),
    ):
        with pytest.raises(VideoError, match=why):
            Replace(tmp_path / name)


@pytest.mark.parametrize("loop", ["no", "off", 1, None])
def test_a_word_is_not_taken_for_true(footage, loop):
    with pytest.raises(ConfigError, match=rf"^remover\.loop={loop}: must be true or false$"):
        Replace(footage, loop=loop)


def test_sound_is_nothing_to_show(tmp_path):
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(VideoError, match="has no video track"):
        Replace(path)
