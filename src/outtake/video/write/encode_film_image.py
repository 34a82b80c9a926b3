"""Write EXR and DPX pictures."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import OutputError
from outtake.core.types import TimedFrame
from outtake.video.colour import ColourTags, from_rgb
from outtake.video.linear_light import decode_srgb
from outtake.video.stored_picture import add_stored_alpha

_FULL = np.uint16(257)


def encode_exr(frame: TimedFrame) -> bytes:
    """Return a frame as EXR with linear light, its alpha if it has one, compressed without loss.

    Where the frame is what was read from an EXR file, the light of that file is written, in its own
    precision, light above white included; elsewhere, and where something was removed, at half
    precision.
    """
    image16 = _deep(frame)
    height, width, channels = image16.shape
    light = decode_srgb(image16[..., :3])
    planes = [light[..., 1], light[..., 2], light[..., 0]]  # green, blue, red
    full_precision = False
    stored = frame.stored
    if stored is not None and stored.pix_fmt.startswith("gbrpf") and stored.image16 is not None:
        full_precision = stored.pix_fmt == "gbrpf32le"
        same = (image16[..., :3] == stored.image16).all(axis=2)
        if stored.filled is not None:
            same &= ~stored.filled
        planes = [
            np.where(same, kept, made) for kept, made in zip(stored.planes, planes, strict=True)
        ]
    alpha = image16[..., 3] / np.float32(65535) if channels == 4 else None
    if stored is not None and stored.alpha is not None:
        full = np.iinfo(stored.alpha.dtype).max if stored.alpha.dtype.kind == "u" else 1
        kept = stored.alpha / np.float32(full)
        # What the source hides stays hidden.
        alpha = kept if alpha is None else np.minimum(alpha, kept)
    if alpha is not None:
        planes.append(np.asarray(alpha, np.float32))
    picture = av.VideoFrame(width, height, "gbrapf32le" if len(planes) == 4 else "gbrpf32le")
    for source, target in zip(planes, picture.planes, strict=True):
        _float_view(target)[:, :width] = source
    precision = "float" if full_precision else "half"
    return _encode(picture, "exr", {"compression": "zip16", "format": precision})


def encode_dpx(frame: TimedFrame, bit_depth: int) -> bytes:
    """Return a frame as DPX.

    Args:
        frame: The frame.
        bit_depth: Bits per component: 10, 12 or 16 are stored, the next that is enough.
    """
    image16 = add_stored_alpha(_deep(frame), frame.stored)
    name = "gbrp10le" if bit_depth <= 10 else "gbrp12le" if bit_depth <= 12 else "rgb48le"
    if image16.shape[2] == 4:
        name = "rgba64le"
    return _encode(from_rgb(image16, name, ColourTags()), "dpx", {})


def _deep(frame: TimedFrame) -> NDArray[np.uint16]:
    return frame.image * _FULL if frame.image16 is None else frame.image16


def _float_view(plane: Any) -> NDArray[np.float32]:
    return np.frombuffer(plane, np.float32).reshape(plane.height, -1)


def _encode(picture: av.VideoFrame, codec: str, options: dict[str, str]) -> bytes:
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height = picture.width, picture.height
    encoder.pix_fmt, encoder.time_base = picture.format.name, Fraction(1, 25)
    encoder.options = options
    picture.pts = 0
    try:
        packets = [*encoder.encode(picture), *encoder.encode(None)]
    except av.FFmpegError as error:
        raise OutputError(f"cannot encode an image as {codec.upper()} ({error})") from error
    return b"".join(bytes(packet) for packet in packets)
