"""What a source has and an output will not keep: one line for each thing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress

from PIL import Image

from outtake.video.read.probe import VideoInfo
from outtake.video.write.codecs import CODECS, Codec
from outtake.video.write.encoding_plan import Encoding
from outtake.video.write.video_encoder import coded_frame_rate, nominal_frame_rate

log = logging.getLogger(__name__)

_SAME_RATE = 0.001
# How many pixels share a sample of chroma, across and down.
_SHARED_PX = {
    "444": (1, 1), "rgb": (1, 1), "422": (2, 1), "440": (1, 2), "420": (2, 2), "411": (4, 1),
}  # fmt: skip
# Chroma that a lossless codec is not given as it is: averaged again, it would not come back.
_ROUNDED_AS_RGB = ("411", "410", "440")
# Files whose pictures are stored so; of any other, what is drawn here about it is RGB.
_RGB24_CODECS = ("png", "qtrle", "rawvideo")
# As a profile has its name: in ASCII, or in UTF-16 since version 4.
_SRGB_NAMES = (b"sRGB", "sRGB".encode("utf-16-be"))
_SPOKEN = {
    "420": "4:2:0", "422": "4:2:2", "440": "4:4:0", "444": "4:4:4", "411": "4:1:1",
    "410": "4:1:0", "rgb": "4:4:4 (RGB)",
}  # fmt: skip


def warn_of_losses(encoding: Encoding | str, info: VideoInfo) -> None:
    """Log one warning for each thing that the source has and the target will not keep.

    Args:
        encoding: How the frames are stored; of a folder of images their codec.
        info: The source.
    """
    for loss in find_losses(encoding, info):
        log.warning("%s: %s", info.path.name, loss)


def find_losses(encoding: Encoding | str, info: VideoInfo) -> list[str]:
    """Return what the target will not keep, each with what would keep it."""
    found = [f"not kept: {', '.join(info.unkept)}"] if info.unkept else []
    found += _film_losses(encoding, info)
    found += _profile_loss(info)
    if isinstance(encoding, str):
        return found + _losses_of_images(info)
    return [
        *_bit_loss(encoding, info),
        *_chroma_loss(encoding, info),
        *_odd_size_loss(encoding, info),
        *_alpha_loss(encoding, info),
        *_hdr10_loss(encoding, info),
        *_rate_loss(encoding, info),
        *found,
    ]


def _losses_of_images(info: VideoInfo) -> list[str]:
    losses = {
        "its timecode is not kept in images": info.timecode,
        "its HDR10 metadata is not kept in images": info.hdr10,
    }
    return [text for text, there in losses.items() if there]


def _profile_loss(info: VideoInfo) -> list[str]:
    """Say that the profile of images is not kept; that of sRGB is what is assumed without one."""
    if not info.images:
        return []
    damaged = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
    with suppress(*damaged), Image.open(info.images[0]) as opened:
        profile = opened.info.get("icc_profile")
        if isinstance(profile, bytes) and not any(name in profile for name in _SRGB_NAMES):
            return ["the colour profile of its images is not kept, so other colours are shown"]
    return []


def _film_losses(encoding: Encoding | str, info: VideoInfo) -> list[str]:
    kinds = {image.suffix.lower() for image in info.images}
    losses = []
    if ".dpx" in kinds:
        losses.append("what the headers of its DPX files say of film and camera is not kept")
    if ".exr" in kinds:
        losses.append("the headers of its EXR files and channels beside the picture are not kept")
        if encoding != "exr":
            losses.append("light above white is cut off; a folder of EXR images keeps it")
    return losses


def _bit_loss(encoding: Encoding, info: VideoInfo) -> list[str]:
    if info.bit_depth <= encoding.bit_depth:
        return []
    names = _codecs_that(
        encoding,
        lambda codec: (
            max(codec.available_formats(alpha=encoding.alpha), default=0) > encoding.bit_depth
        ),
    )
    better = names or "ffv1 in .mkv"
    return [f"{info.bit_depth} bits become {encoding.bit_depth}; encode.codec={better} keeps more"]


def _chroma_loss(encoding: Encoding, info: VideoInfo) -> list[str]:
    before, after = info.chroma, encoding.chroma
    if after == "rgb" and before in _ROUNDED_AS_RGB and not encoding.alpha:
        return [f"its chroma of {_SPOKEN[before]} becomes RGB, which rounds its colours"]
    # Of grey and 4:1:0 nothing is lost anywhere.
    across, down = _SHARED_PX.get(before, (4, 4))
    across_after, down_after = _SHARED_PX.get(after, (1, 1))
    if encoding.alpha or (across_after <= across and down_after <= down):
        return []
    if before == "rgb" and not _is_stored_as_rgb(info):
        return []
    finer = "444" if across == 1 else "422"
    if encoding.codec.available_formats(alpha=False, chroma=finer):
        better = f"encode.chroma={finer}"
    else:
        names = _codecs_that(
            encoding, lambda codec: codec.available_formats(alpha=False, chroma=finer)
        )
        better = f"encode.codec={names} with encode.chroma={finer}"
    halved = " with half the lines" if before == "411" else ""
    return [f"its chroma of {_SPOKEN[before]} becomes {_SPOKEN[after]}{halved}; {better} keeps it"]


def _is_stored_as_rgb(info: VideoInfo) -> bool:
    """Return whether a video holds RGB itself; images are read as RGB whatever they hold."""
    if info.codec in ("images", "gif"):
        return False
    return info.pix_fmt != "rgb24" or info.codec in _RGB24_CODECS


def _odd_size_loss(encoding: Encoding, info: VideoInfo) -> list[str]:
    stored = encoding.pix_fmt(info.width, info.height)
    if stored == encoding.pix_fmt(2, 2):
        return []
    return [
        f"the odd size {info.width}x{info.height} is kept by storing full colour ({stored}), which "
        "browsers and some devices do not play"
    ]


def _alpha_loss(encoding: Encoding, info: VideoInfo) -> list[str]:
    if not info.has_alpha or encoding.alpha:
        return []
    place = " .mov (ProRes 4444), .webm (VP9), .mkv (FFV1) or images keep it"
    return ["its alpha is not kept, only the colours beneath it;" + place]


def _hdr10_loss(encoding: Encoding, info: VideoInfo) -> list[str]:
    if info.hdr10 is None or encoding.codec.hdr10:
        return []
    names = _codecs_that(encoding, lambda codec: codec.hdr10)
    keeps = f"; encode.codec={names} keeps them" if names else ""
    return [f"its HDR10 mastering display and light levels are not kept{keeps}"]


def _rate_loss(encoding: Encoding, info: VideoInfo) -> list[str]:
    rate, coded = nominal_frame_rate(info), coded_frame_rate(encoding.codec, info)
    if abs(coded / rate - 1) < _SAME_RATE:
        return []
    return [
        f"{encoding.name} knows fixed rates alone and calls its {float(rate):.5g} frames/s "
        f"{float(coded):.5g}; the container keeps the time of each frame"
    ]


def _codecs_that(encoding: Encoding, accepts: Callable[[Codec], object]) -> str:
    """Return the names of the codecs that go into the same container and are accepted."""
    return "|".join(
        name
        for name, (codec, *_) in CODECS.items()
        if encoding.container in codec.containers and not codec.gpu and accepts(codec)
    )
