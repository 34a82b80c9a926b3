import av
import numpy as np
import pytest

from outtake.video.colour import ColourTags, from_rgb, plane_arrays, to_rgb, to_rgb16
from outtake.video.read.probe import probe
from tests.video.moving_scene import decode, scene


def test_what_nvenc_is_given_is_rounded_to_ten_bits():
    """Whatever lies in the lower six bits of sixteen, NVENC cuts off."""
    image = scene(0, 97, 63)
    given = luma(from_rgb(image, "yuv444p10msble", ColourTags(matrix=1)))
    assert np.array_equal(given, luma(from_rgb(image, "yuv444p10le", ColourTags(matrix=1))) << 6)


def luma(frame: av.VideoFrame) -> np.ndarray:
    plane = frame.planes[0]
    return np.frombuffer(plane, np.uint16).reshape(plane.height, -1)[:, : plane.width].astype(int)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le"])
def test_what_is_not_touched_comes_back_as_the_very_values_that_were_decoded(make_video, pix_fmt):
    name = "in.mkv"
    source = make_video(name, "ffv1", pix_fmt=pix_fmt, frames=2)
    frame = decode(source)[0]
    tags = probe(source).colour
    deep = frame.format.components[0].bits > 8
    rgb = to_rgb16(frame, tags) if deep else to_rgb(frame, tags)
    back = from_rgb(rgb, pix_fmt, tags)
    top = 65535 if deep else 255
    # A YUV value that no RGB stands for cannot come back; everything else has to.
    inside = ~((rgb == 0) | (rgb == top)).any(axis=2)
    for one, two in zip(frame.planes, back.planes, strict=True):
        kind = np.uint16 if deep else np.uint8
        before, after = (
            np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width].astype(int)
            for plane in (one, two)
        )
        down, across = 64 // before.shape[0], 96 // before.shape[1]
        kept = inside.reshape(before.shape[0], down, before.shape[1], across).all(axis=(1, 3))
        assert kept.mean() > 0.5
        assert np.abs(before - after)[kept].max() <= 1
        assert np.abs(before - after)[kept].mean() <= 0.01


def test_the_same_picture_gives_the_same_values_each_time():
    image = scene(0, 962, 320)
    for pix_fmt in ("yuv420p10le", "yuv422p10le"):
        made = [luma(from_rgb(image, pix_fmt, ColourTags())) for _ in range(12)]
        assert all(np.array_equal(made[0], again) for again in made[1:])


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("matrix", [1, 5])
def test_full_range_does_not_drift_from_pass_to_pass(pix_fmt, matrix):
    tags = ColourTags(matrix, 1, 1, True)
    first = frame = from_rgb(scene(0), pix_fmt, tags)
    for _ in range(5):
        deep = "10" in pix_fmt
        frame = from_rgb(to_rgb16(frame, tags) if deep else to_rgb(frame, tags), pix_fmt, tags)
    for before, after in zip(plane_arrays(first), plane_arrays(frame), strict=True):
        assert abs(after.astype(float).mean() - before.mean()) < 0.05


@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv444p10le"])
def test_black_grey_and_white_are_those_of_full_range(pix_fmt):
    tags = ColourTags(1, 1, 1, True)
    grey = np.array([0, 32768, 65535], np.uint16)[:, None, None]
    frame = from_rgb(np.tile(grey, (16, 64, 3)).reshape(48, 64, 3), pix_fmt, tags)
    white = 1023 if "10" in pix_fmt else 255
    y, *chroma = plane_arrays(frame)
    assert [y[i, 0] for i in range(3)] == [0, (white + 1) // 2, white]
    assert all((plane == (white + 1) // 2).all() for plane in chroma)
    rgb = to_rgb16(frame, tags)
    assert rgb.min() == 0 and rgb.max() == 65535


@pytest.mark.parametrize("stored", [(720, 480), (1280, 720)], ids=["SD", "HD"])
@pytest.mark.parametrize("shown", [(480, 720), (1442, 480), (480, 270)], ids=str)
def test_an_untagged_clip_has_the_matrix_of_its_stored_size_whatever_becomes_of_it(stored, shown):
    source = ColourTags.from_frame(av.VideoFrame(*stored, "yuv420p"))
    matrix = 1 if stored == (1280, 720) else 5
    assert source.matrix == 2 and source.swscale_matrix(*shown) == matrix
    made = source.for_yuv(*shown)
    players_take = 5 if shown == (480, 270) else 1
    assert made.matrix == (2 if players_take == matrix else matrix)
    assert made.swscale_matrix(*shown) == matrix
