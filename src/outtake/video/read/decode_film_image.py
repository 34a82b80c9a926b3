"""Single pictures of film work: EXR, which holds linear light, and DPX."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import VideoError
from outtake.core.types import Frame, StoredPicture
from outtake.video.colour import SWSCALE_THREADS, ColourTags, to_rgb16
from outtake.video.linear_light import encode_srgb
from outtake.video.read.safety_limits import SafetyLimits

FILM_SUFFIXES = (".exr", ".dpx")


@dataclass(frozen=True, slots=True, eq=False)
class FilmImage:
    """A picture of an EXR or DPX file.

    Attributes:
        pix_fmt: FFmpeg's name of what is stored.
        bit_depth: Bits per component; 16 for an EXR of either precision.
        image: The picture as it is seen, uint8 (H, W, 3).
        image16: The same with 16 bits.
        stored: The linear light of an EXR, and alpha, opaque or not: so all images of a sequence
            are written alike. None for a DPX without alpha, which is kept exactly by 16 bits.
    """

    pix_fmt: str
    bit_depth: int
    image: Frame
    image16: NDArray[np.uint16]
    stored: StoredPicture | None = None

    @property
    def hides_anything(self) -> bool:
        """Whether it is transparent anywhere, to 8 bits; an EXR with alpha counts as such."""
        alpha = None if self.stored is None else self.stored.alpha
        return alpha is not None and (alpha.dtype.kind != "u" or bool(alpha.min() < 255 << 8))


def read_film_image(file: Path, limits: SafetyLimits) -> FilmImage:
    """Read an EXR or DPX file; light above white is white to the eye, and is kept beside it.

    Raises:
        VideoError: The file cannot be read, or is too large.
    """
    frame = _decode(file, limits)
    name = frame.format.name
    if file.suffix.lower() == ".dpx":
        image16 = to_rgb16(frame, ColourTags(full_range=True))
        bits = max(part.bits for part in frame.format.components)
        image, alpha = _to_8_bits(image16), None
        if any(part.is_alpha for part in frame.format.components):
            alpha = np.ascontiguousarray(
                frame.to_ndarray(format="rgba64le", threads=SWSCALE_THREADS)[..., 3]
            )
        stored = None if alpha is None else StoredPicture("", (), image, image16, alpha)
        return FilmImage(name, bits, image, image16, stored)
    planes = _light_planes(frame, file)
    image16 = np.dstack([encode_srgb(plane) for plane in planes])
    image = _to_8_bits(image16)
    kind = "gbrpf16le" if planes[0].dtype == np.float16 else "gbrpf32le"
    red, green, blue = planes
    alpha = _plane(frame.planes[3], planes[0].dtype)[:, : frame.width] if "gbrap" in name else None
    stored = StoredPicture(kind, (green, blue, red), image, image16, alpha)
    return FilmImage(name, 16, image, image16, stored)


def _light_planes(frame: av.VideoFrame, file: Path) -> list[NDArray[Any]]:
    """Return red, green and blue as linear light, (H, W) each."""
    name = frame.format.name
    kind = np.dtype("<f2") if "f16" in name else np.dtype("<f4")
    if not name.endswith(("f16le", "f32le")):
        raise VideoError(f"{file} holds {name} pictures; float and half are read")
    planes = [_plane(plane, kind)[:, : frame.width] for plane in frame.planes]
    if name.startswith("gray"):
        return [planes[0]] * 3
    green, blue, red = planes[:3]
    return [red, green, blue]


def _plane(plane: Any, kind: np.dtype[Any]) -> NDArray[Any]:
    return np.frombuffer(plane, kind).reshape(plane.height, -1)


def _to_8_bits(image16: NDArray[np.uint16]) -> Frame:
    return np.asarray(cv2.convertScaleAbs(image16, alpha=1 / 257), np.uint8)


def _decode(file: Path, limits: SafetyLimits) -> av.VideoFrame:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise VideoError(f"cannot read image {file}: {error.strerror or error}") from error
    decoder = av.CodecContext.create(file.suffix.lower()[1:], "r")
    decoder.options = {"max_pixels": str(limits.max_pixels)}
    try:
        frames = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
    except (av.FFmpegError, ValueError, EOFError) as error:
        raise VideoError(
            f"cannot read image {file}: it is damaged, of a kind that is not read, or has more "
            f"than read.limits.max_pixels={limits.max_pixels} ({error})"
        ) from error
    if not frames:
        raise VideoError(f"cannot read image {file}: it is damaged or not an image")
    frame = frames[0]
    assert isinstance(frame, av.VideoFrame)
    limits.check_size(file, frame.width, frame.height)
    return frame
