"""What was not removed is copied from the source's planes."""

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from outtake.core.frames import fill_hole
from outtake.core.types import TimedFrame
from outtake.video.colour import (
    SWSCALE_THREADS,
    ColourTags,
    from_rgb,
    plane_arrays,
    to_rgb,
    to_rgb16,
)
from outtake.video.stored_picture import (
    is_transparent,
    keep_stored_picture,
    make_encoder_frame,
)

LIMITED = ColourTags(1, 1, 1)
FORMATS = ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le"]


def decoded(pix_fmt: str, tags: ColourTags = LIMITED, size: tuple[int, int] = (64, 98)):
    """A frame of noise, which no RGB stands for in most places, as the reader gives it."""
    height, width = size
    frame = av.VideoFrame(width, height, pix_fmt)
    frame.color_range = 2 if tags.full_range else 1
    rng = np.random.default_rng(3)
    for plane in plane_arrays(frame):
        plane[:] = rng.integers(0, 1024 if plane.dtype == np.uint16 else 256, plane.shape)
    image = to_rgb(frame, tags)
    image16 = to_rgb16(frame, tags) if "10" in pix_fmt else None
    stored = keep_stored_picture(frame, image, image16)
    return frame, TimedFrame(image, 0, Fraction(1, 25), image16, stored=stored)


def encode(frame: TimedFrame, pix_fmt: str, tags: ColourTags = LIMITED, copy: bool = True):
    return make_encoder_frame(frame, pix_fmt, tags, high_bit_depth="10" in pix_fmt, copy=copy)


@pytest.mark.parametrize("pix_fmt", FORMATS)
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("size", [(64, 98), (63, 97)], ids=["even", "odd"])
def test_outside_the_mask_the_encoder_gets_the_planes_of_the_source(pix_fmt, full_range, size):
    tags = replace(LIMITED, full_range=full_range)
    source, frame = decoded(pix_fmt, tags, size)
    mask = np.zeros(size, bool)
    mask[34:42, 33:96] = True
    mask[36:40, 40:60] = False  # a window in the mask
    mask[0, 3] = mask[-1, 0] = True  # and something far above and below
    filled = frame.image.copy()
    filled[mask] ^= 0x55
    made = encode(fill_hole(frame, filled, mask), pix_fmt, tags)
    plain = encode(replace(fill_hole(frame, filled, mask), stored=None), pix_fmt, tags)
    for before, after, converted in zip(
        plane_arrays(source), plane_arrays(made), plane_arrays(plain), strict=True
    ):
        down, across = -(-size[0] // before.shape[0]), -(-size[1] // before.shape[1])
        padded = np.pad(mask, ((0, -size[0] % down), (0, -size[1] % across)))
        grown = padded.reshape(before.shape[0], down, before.shape[1], across).any(axis=(1, 3))
        assert np.array_equal(after[~grown], before[~grown])
        if size == (64, 98):  # chroma of an odd size is averaged a little across its samples
            assert np.array_equal(after[grown], converted[grown])
        assert not np.array_equal(converted[~grown], before[~grown]), "RGB alone would do"
    assert (made.colorspace, made.color_range) == (plain.colorspace, plain.color_range)


def test_a_frame_that_nobody_changed_is_copied_whole():
    source, frame = decoded("yuv420p")
    for image in (frame.image, frame.image.copy()):
        made = encode(replace(frame, image=image), "yuv420p")
        for before, after in zip(plane_arrays(source), plane_arrays(made), strict=True):
            assert np.array_equal(before, after)


@pytest.mark.parametrize(
    ("pix_fmt", "copy", "image"),
    [
        ("yuv422p", True, None),
        ("yuv420p", False, None),
        ("yuv420p", True, np.zeros((64, 196, 3), np.uint8)),
        ("yuv420p", True, np.zeros((64, 98, 4), np.uint8)),
    ],
    ids=["other chroma", "other tags", "other size", "alpha"],
)
def test_another_format_or_size_is_converted(pix_fmt, copy, image):
    _, frame = decoded("yuv420p")
    given = frame if image is None else replace(frame, image=image)
    made = encode(given, pix_fmt, copy=copy)
    converted = from_rgb(given.image, pix_fmt, LIMITED)
    for one, two in zip(plane_arrays(made), plane_arrays(converted), strict=True):
        assert np.array_equal(one, two)


def test_what_is_not_yuv_in_planes_is_not_kept():
    image = np.zeros((4, 6, 3), np.uint8)
    for pix_fmt in ("rgb24", "gbrp", "nv12", "yuyv422", "gray", "yuv410p"):
        frame = av.VideoFrame(16, 16, pix_fmt)
        assert keep_stored_picture(frame, image, None) is None
    assert keep_stored_picture(av.VideoFrame(16, 16, "yuvj422p"), image, None).pix_fmt == "yuv422p"


@pytest.mark.parametrize(
    "pix_fmt",
    ["yuva420p", "yuva422p", "yuva444p10le", "yuva444p12le", "yuva444p16le", "gbrap", "gbrap10le",
     "gbrap16le", "rgba", "bgra", "argb", "abgr", "rgba64le", "ya8"],
)  # fmt: skip
def test_alpha_is_found_in_every_format(pix_fmt):
    pixels = np.full((34, 50, 4), (9, 0, 255, 255), np.uint8)
    made = {"format": pix_fmt, "threads": SWSCALE_THREADS}
    opaque = av.VideoFrame.from_ndarray(pixels, format="rgba").reformat(**made)
    pixels[33, 49, 3] = 250
    clear = av.VideoFrame.from_ndarray(pixels, format="rgba").reformat(**made)
    assert is_transparent(clear) and not is_transparent(opaque)
