"""What is seen through a hole: another picture, nothing, or the frame before it was changed."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from outtake.core.errors import VideoError
from outtake.core.frames import MaskedFrame
from outtake.core.types import TimedFrame
from outtake.drawing.label_pictures import save_png
from outtake.removal.alpha import Alpha
from outtake.removal.background_media import (
    ImageBackground,
    VideoBackground,
    open_background,
    resize_cover,
)
from outtake.removal.effects import Solid
from outtake.removal.inpaint import Inpaint
from outtake.removal.protocol import Remover
from outtake.removal.replace import Replace
from outtake.removal.side_by_side import SideBySide
from outtake.video.read.clip import open_clip
from outtake.video.read.probe import VideoInfo
from outtake.video.write.video_writer import open_writer

TIME_BASE = Fraction(1, 1000)
LEVELS = [20, 60, 100, 140, 180, 220]


def frame(time_ms: int, height: int = 40, width: int = 64, deep: bool = False) -> MaskedFrame:
    image = np.full((height, width, 3), 90, np.uint8)
    finer = image.astype(np.uint16) * 257 + 3 if deep else None
    mask = np.zeros((height, width), bool)
    mask[10:30, 20:50] = True
    return MaskedFrame(TimedFrame(image, time_ms, TIME_BASE, finer), mask)


def filled_frames(remover: Remover, clip: Iterable[MaskedFrame]) -> list[TimedFrame]:
    return [filled.frame for filled in remover(clip)]


@pytest.fixture
def footage(tmp_path):
    """Six grey frames, 100 ms each, from 0.5 s on."""
    path = tmp_path / "behind.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 40, "bgr0"
        stream.time_base = TIME_BASE
        for index, level in enumerate(LEVELS):
            picture = av.VideoFrame.from_ndarray(np.full((40, 64, 3), level, np.uint8))
            picture.pts, picture.time_base = 500 + 100 * index, TIME_BASE
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def shown(remover: Replace, times_ms: list[int]) -> list[int]:
    return [int(out.image[20, 35, 0]) for out in filled_frames(remover, map(frame, times_ms))]


def test_an_image_covers_the_frame_and_shows_in_the_mask_only(tmp_path):
    wide = np.zeros((30, 200, 3), np.uint8)
    wide[:, :20] = (255, 0, 0)  # what is cut off
    wide[:, 20:180] = (10, 200, 30)
    wide[:, 180:] = (255, 0, 0)
    item = frame(0)
    (out,) = filled_frames(Replace(save_png(tmp_path / "p.png", wide), soft_edge=0), [item])
    assert (out.image[item.mask] == (10, 200, 30)).all()
    assert (out.image[~item.mask] == 90).all()


@pytest.mark.parametrize("size", [(40, 64), (39, 17), (9, 300), (1, 1), (480, 270)])
def test_a_picture_covers_any_frame_without_losing_its_shape(size):
    picture = np.zeros((60, 80, 3), np.uint8)
    cv2.circle(picture, (40, 30), 6, (255, 255, 255), cv2.FILLED)
    fitted = resize_cover(picture, *size)
    assert fitted.shape == (*size, 3)
    scale = max(size[0] / 60, size[1] / 80)
    area = (fitted[..., 0] / 255).sum()
    if min(size) > 12 * scale:
        assert area == pytest.approx((picture[..., 0] > 0).sum() * scale**2, rel=0.15)


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


def test_frames_may_come_in_any_order(footage):
    with VideoBackground(footage) as behind:
        times = [Fraction(ms, 1000) for ms in (550, 0, 550, 320, 310, -50)]
        levels = [int(behind.picture_at(time)[0, 0, 0]) for time in times]
    assert levels == [220, 20, 220, 140, 140, 220]


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


def test_a_video_is_turned_as_its_flag_says(tmp_path):
    path = tmp_path / "turned.mp4"
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:20, :30] = (255, 0, 0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.set_display_rotation(90)  # counter-clockwise
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode())
    with VideoBackground(path) as behind:
        turned = behind.picture_at(Fraction(0)).astype(int)
    assert turned.shape == (96, 64, 3)
    assert np.abs(turned - np.rot90(picture)).mean() < 8


def test_a_video_has_the_pictures_that_a_clip_of_it_has(tmp_path):
    path = tmp_path / "noise.mp4"
    noise = np.random.default_rng(0).integers(0, 255, (3, 48, 64, 3), np.uint8)
    with open_writer(path, VideoInfo(tmp_path, 64, 48, Fraction(25), TIME_BASE)) as writer:
        for index, picture in enumerate(noise):
            writer.write(TimedFrame(picture, 40 * index, TIME_BASE))
    with open_clip(path) as clip, VideoBackground(path) as behind:
        for shown_frame in clip:
            time_s = shown_frame.pts * shown_frame.time_base
            assert np.array_equal(behind.picture_at(time_s), shown_frame.image)


def test_a_soft_edge_lies_inside_the_mask(tmp_path):
    white = save_png(tmp_path / "w.png", np.full((9, 9, 3), 250, np.uint8))
    item = frame(0)
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


def test_an_image_is_a_still_and_an_animation_runs(tmp_path, footage):
    assert isinstance(
        open_background(save_png(tmp_path / "a.png", frame(0).frame.image)), ImageBackground
    )
    assert isinstance(open_background(footage), VideoBackground)


def test_alpha_is_zero_in_the_mask_and_the_colours_stay():
    item = frame(0)
    (out,) = filled_frames(Alpha(), [item])
    assert out.image.shape == (40, 64, 4)
    assert np.array_equal(out.image[..., :3], item.frame.image)
    assert np.array_equal(out.image[..., 3] == 0, item.mask)
    assert np.array_equal(out.image[..., 3] == 255, ~item.mask)


def test_alpha_keeps_deep_colour():
    item = frame(0, deep=True)
    (out,) = filled_frames(Alpha(soft_edge=0.1), [item])
    assert out.image16.dtype == np.uint16 and out.image16.shape == (40, 64, 4)
    assert np.array_equal(out.image16[..., :3], item.frame.image16)
    assert np.array_equal(out.image16[..., 3], out.image[..., 3] * np.uint16(257))
    (out,) = filled_frames(SideBySide(Alpha(), divider_px=2), [item])
    right = out.image16[:, 66:]
    assert np.array_equal(right[~item.mask], item.frame.image16[~item.mask])
    assert set(np.unique(right[item.mask])) == {204 * 257, 65535}


def test_the_soft_edge_of_alpha_lies_inside_the_mask():
    item = frame(0)
    (out,) = filled_frames(Alpha(soft_edge=0.1), [item])
    alpha = out.image[20, :, 3].astype(int)
    assert (alpha[:20] == 255).all() and alpha[35] == 0
    assert 255 > alpha[20] > alpha[21] > alpha[22] > 0


def test_before_and_after_stand_side_by_side():
    item = frame(0)
    (out,) = filled_frames(SideBySide(Solid((1, 2, 3)), divider_px=4), [item])
    assert out.image.shape == (40, 132, 3)
    assert np.array_equal(out.image[:, :64], item.frame.image)
    assert (out.image[:, 64:68] == 255).all()
    assert (out.image[:, 68:][item.mask] == (1, 2, 3)).all()
    assert next(SideBySide(Solid(), divider_px=0)([item])).frame.image.shape == (40, 128, 3)


def test_side_by_side_asks_the_remover_that_it_wraps():
    both = SideBySide(Inpaint())
    results = list(both([frame(0), frame(40)]))
    assert [filled.statistics.synthesised for filled in results] == [1, 1]
    assert both.needs_mask and both.context(4, 4) == Inpaint().context(4, 4)
    assert next(SideBySide(Solid())([frame(0)])).statistics is None


def test_side_by_side_keeps_deep_colour():
    item = frame(0, deep=True)
    (out,) = filled_frames(SideBySide(Solid(), divider_px=2), [item])
    assert np.array_equal(out.image16[:, :64], item.frame.image16)
    assert np.array_equal(out.image16[:, 66:][~item.mask], item.frame.image16[~item.mask])
    assert (out.image16[:, 64:66] == 65535).all() and (out.image16[:, 66:][item.mask] == 0).all()


def test_side_by_side_shows_a_chequered_ground_behind_alpha():
    item = frame(0)
    (out,) = filled_frames(SideBySide(Alpha(), divider_px=2), [item])
    right = out.image[:, 66:]
    assert np.array_equal(right[~item.mask], item.frame.image[~item.mask])
    assert set(np.unique(right[item.mask])) == {204, 255}
