from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from outtake.core.errors import VideoError
from outtake.core.types import TimedFrame
from outtake.drawing.label_pictures import save_png
from outtake.removal.background_media import (
    ImageBackground,
    VideoBackground,
    open_background,
    resize_cover,
)
from outtake.video.read.clip import open_clip
from outtake.video.read.probe import VideoInfo
from outtake.video.write.video_writer import open_writer
from tests.removal.frames import TIME_BASE, masked_frame


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


def test_frames_may_come_in_any_order(footage):
    with VideoBackground(footage) as behind:
        times = [Fraction(ms, 1000) for ms in (550, 0, 550, 320, 310, -50)]
        levels = [int(behind.picture_at(time)[0, 0, 0]) for time in times]
    assert levels == [220, 20, 220, 140, 140, 220]


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


def test_an_image_is_a_still_and_an_animation_runs(tmp_path, footage):
    assert isinstance(
        open_background(save_png(tmp_path / "a.png", masked_frame(0).frame.image)), ImageBackground
    )
    assert isinstance(open_background(footage), VideoBackground)


def transparent(alpha: int) -> Image.Image:
    picture = np.full((30, 40, 4), 255, np.uint8)
    picture[5:15, 5:15] = (200, 0, 0, alpha)
    return Image.fromarray(picture)


@pytest.mark.parametrize(
    "name", ["a.png", "a.webp", "a.tiff", "palette.png", "grey.png", "key.png"]
)
def test_an_image_that_hides_colours_is_refused(tmp_path, name):
    path, picture, more = tmp_path / name, transparent(0), {}
    if name == "palette.png":
        picture = picture.quantize(8)
    elif name == "grey.png":
        picture = picture.convert("LA")
    elif name == "key.png":
        picture, more = picture.convert("RGB"), {"transparency": (200, 0, 0)}
    picture.save(path, **more)
    with pytest.raises(VideoError, match=r"is transparent somewhere; save it without") as raised:
        open_background(path)
    assert str(raised.value).startswith(str(path))


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.bmp", "a.tiff"])
def test_alpha_that_hides_nothing_is_none(tmp_path, name):
    transparent(255).save(tmp_path / name)
    assert open_background(tmp_path / name).picture_at(Fraction(0)).shape == (30, 40, 3)


def test_a_video_that_hides_colours_is_refused(tmp_path):
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("qtrle", rate=10)
        stream.width, stream.height, stream.pix_fmt = 40, 30, "argb"
        pixels = np.roll(np.asarray(transparent(0)), 1, axis=2)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="argb")))
        container.mux(stream.encode())
    with pytest.raises(VideoError, match=r"a\.mov: is transparent somewhere; save it without"):
        open_background(path)
