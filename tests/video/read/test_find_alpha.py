"""A clip that is transparent only later has alpha too, and a line says where that was not seen."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from outtake.core.errors import VideoError
from outtake.removal.background_media import VideoBackground
from outtake.video.read import find_alpha
from outtake.video.read.clip import open_clip
from outtake.video.write.encode_film_image import encode_dpx, encode_exr

CODECS = {"prores_ks": ("mov", "yuva444p10le"), "qtrle": ("mov", "argb"), "ffv1": ("mkv", "bgra")}
OPAQUE = np.full((48, 64, 4), 255, np.uint8)
HIDDEN = OPAQUE.copy()
HIDDEN[10:20, 10:30] = (200, 0, 0, 0)


def write_film(folder: Path, transparent: Iterable[bool], codec: str = "qtrle", **more) -> Path:
    suffix, pix_fmt = CODECS[codec]
    path = folder / f"in.{suffix}"
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=25, options=more.get("options", {}))
        stream.height, stream.width, stream.pix_fmt = 48, 64, pix_fmt
        stream.set_display_rotation(more.get("rotate", 0))
        for number, hidden in enumerate(transparent):
            frame = av.VideoFrame.from_ndarray(HIDDEN if hidden else OPAQUE, format="rgba")
            frame.pts = number
            output.mux(stream.encode(frame.reformat(format=pix_fmt)))
        output.mux(stream.encode(None))
    return path


def write_images(folder: Path, transparent: Iterable[bool], channels: int = 4) -> Path:
    for number, hidden in enumerate(transparent):
        pixels = cv2.cvtColor(HIDDEN if hidden else OPAQUE, cv2.COLOR_RGBA2BGRA)
        pixels = pixels if hidden else pixels[..., :channels]
        cv2.imwrite(str(folder / f"{number:03d}.png"), pixels)
    return folder


@pytest.fixture
def few_looks(monkeypatch):
    monkeypatch.setattr(find_alpha, "_MOST_FRAMES", 2)
    monkeypatch.setattr(find_alpha, "_LEAST_FRAMES", 2)
    monkeypatch.setattr(find_alpha, "_MOST_IMAGES", 2)


@pytest.mark.parametrize("codec", CODECS)
def test_a_film_that_begins_opaque_keeps_its_alpha(tmp_path, caplog, codec):
    path = write_film(tmp_path, [n >= 5 for n in range(15)], codec)
    with open_clip(path) as clip:
        frames = list(clip)
    assert clip.info.has_alpha and not caplog.text
    alphas = [frame.stored.alpha for frame in frames]
    assert [bool((alpha < alpha.max()).any()) for alpha in alphas] == [False] * 5 + [True] * 10


@pytest.mark.parametrize("codec", CODECS)
def test_a_film_that_is_opaque_everywhere_has_none(tmp_path, caplog, codec):
    with open_clip(write_film(tmp_path, [False] * 15, codec)) as clip:
        assert all(frame.stored is None or frame.stored.alpha is None for frame in clip)
    assert not clip.info.has_alpha and not caplog.text


@pytest.mark.parametrize("codec", ["qtrle", "ffv1"])
def test_a_long_film_is_looked_at_all_over(tmp_path, codec):
    """Of 400 frames the last 40 are transparent, as where a title fades out."""
    path = write_film(tmp_path, [n >= 360 for n in range(400)], codec, options={"g": "20"})
    assert open_clip(path).info.has_alpha


def test_a_line_says_where_a_film_was_not_seen_to_be_transparent(tmp_path, caplog, few_looks):
    path = write_film(tmp_path, [n in (15, 16) for n in range(100)], options={"g": "1"})
    with open_clip(path) as clip:
        assert len(list(clip)) == len(list(clip)) == 100
    assert not clip.info.has_alpha
    assert caplog.text.count("in.mov is transparent at 0.600 s, and frames all over it") == 1


def test_a_background_is_refused_where_it_turns_transparent(tmp_path, few_looks):
    path = write_film(tmp_path, [n in (15, 16) for n in range(100)], options={"g": "1"})
    with VideoBackground(path) as behind:
        assert behind.picture_at(Fraction(1, 5)).shape == (48, 64, 3)
        with pytest.raises(VideoError, match=r"in\.mov is transparent somewhere, at first at 0\.6"):
            behind.picture_at(Fraction(1))


def test_a_background_is_refused_at_once_where_a_look_finds_it(tmp_path):
    with pytest.raises(VideoError, match=r"in\.mov: is transparent somewhere"):
        VideoBackground(write_film(tmp_path, [n >= 5 for n in range(15)]))


def test_alpha_is_turned_with_the_picture(tmp_path):
    path = write_film(tmp_path, [True] * 2, rotate=90)
    with open_clip(path) as clip:
        frame = next(iter(clip))
    assert np.array_equal(frame.stored.alpha, np.rot90(HIDDEN[..., 3]))


@pytest.mark.parametrize("channels", [3, 4])
def test_images_that_begin_opaque_keep_their_alpha(tmp_path, caplog, channels):
    folder = write_images(tmp_path, [n >= 2 for n in range(6)], channels)
    with open_clip(folder) as clip:
        frames = list(clip)
    assert clip.info.has_alpha and not caplog.text
    assert np.array_equal(frames[-1].stored.alpha, HIDDEN[..., 3])


def test_a_line_says_which_image_was_not_seen_to_be_transparent(tmp_path, caplog, few_looks):
    with open_clip(write_images(tmp_path, [n in (2, 3) for n in range(6)])) as clip:
        assert len(list(clip)) == 6
    assert not clip.info.has_alpha
    assert caplog.text.count("002.png is transparent somewhere, and images all over") == 1
    assert "003.png" not in caplog.text


@pytest.mark.parametrize("suffix", ["dpx", "exr"])
def test_film_images_that_begin_opaque_keep_their_alpha(tmp_path, suffix):
    frames = open_clip(write_film(tmp_path, [False, False, True, False]))
    folder = tmp_path / "in"
    folder.mkdir()
    for number, frame in enumerate(frames):
        data = encode_dpx(frame, 10) if suffix == "dpx" else encode_exr(frame)
        (folder / f"{number}.{suffix}").write_bytes(data)
    assert open_clip(folder).info.has_alpha


@pytest.mark.parametrize("suffix", ["dpx", "exr"])
def test_film_images_without_alpha_have_none(tmp_path, suffix):
    (frame,) = open_clip(write_film(tmp_path, [False]))
    data = encode_dpx(frame, 10) if suffix == "dpx" else encode_exr(frame)
    (tmp_path / f"0.{suffix}").write_bytes(data)
    assert not open_clip(tmp_path / f"0.{suffix}").info.has_alpha
