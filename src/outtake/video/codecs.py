"""Which codecs and containers a video can be written in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from outtake.errors import OutputError

# suffix -> FFmpeg's name of the container
CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".m4v": "mp4", ".mkv": "matroska", ".webm": "webm"}


@dataclass(frozen=True, slots=True)
class Codec:
    """How a codec is called and driven.

    Attributes:
        encoder: FFmpeg's encoder.
        containers: the containers that hold it and play.
        pix_fmt: its pixel format for even sizes.
        odd_pix_fmt: its pixel format where width or height is odd.
        crf: constant quality where the config names none, visually near lossless; None: lossless.
        options: encoder options.
        takes_preset: whether x264's preset names trade its size for speed.
    """

    encoder: str
    containers: tuple[str, ...]
    pix_fmt: str
    odd_pix_fmt: str
    crf: int | None
    options: dict[str, str] = field(default_factory=dict)
    takes_preset: bool = False


CODECS = {
    "h264": Codec(
        "libx264", ("mp4", "mov", "matroska"), "yuv420p", "yuv444p", 18, takes_preset=True
    ),
    "h265": Codec(
        "libx265",
        ("mp4", "mov", "matroska"),
        "yuv420p",
        "yuv444p",
        20,
        {"x265-params": "log-level=error"},
        takes_preset=True,
    ),
    "vp9": Codec(
        "libvpx-vp9",
        ("webm", "matroska", "mp4"),
        "yuv420p",
        "yuv420p",
        24,
        {"row-mt": "1", "deadline": "good", "cpu-used": "5", "b": "0"},
    ),
    "ffv1": Codec("ffv1", ("matroska",), "bgr0", "bgr0", None, {"slicecrc": "1"}),
}


def container_format(path: Path) -> str:
    """Return FFmpeg's name of the container that a suffix stands for.

    Raises:
        OutputError: a suffix that is none of ours.
    """
    if path.suffix.lower() not in CONTAINERS:
        raise OutputError(
            f"output {path}: unknown suffix {path.suffix!r}; use {', '.join(CONTAINERS)}, "
            "or a name without a suffix for a folder of PNG images"
        )
    return CONTAINERS[path.suffix.lower()]


def choose_codec(path: Path, name: str = "auto") -> Codec:
    """Return the codec for a target; ``auto`` is VP9 for WebM and H.264 for the rest.

    Raises:
        OutputError: an unknown codec, or one that the target's container does not hold.
    """
    container = container_format(path)
    if name == "auto":
        name = "vp9" if container == "webm" else "h264"
    if name not in CODECS:
        raise OutputError(f"codec={name}: unknown; use auto, {', '.join(CODECS)}")
    codec = CODECS[name]
    if container not in codec.containers:
        fit = [other for other, entry in CODECS.items() if container in entry.containers]
        raise OutputError(f"codec={name} does not go into {path.name}; use {', '.join(fit)}")
    return codec
