"""Choose how a target is encoded, from its suffix, the config and the source."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from outtake.core.errors import OutputError
from outtake.video.read.probe import VideoInfo
from outtake.video.write.codecs import CODECS, PRESETS, Codec, encoder_pix_fmts

log = logging.getLogger(__name__)

# FFmpeg's name of the container, by suffix.
CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".m4v": "mp4", ".mkv": "matroska", ".webm": "webm"}
_ALPHA_CODECS = {"mov": "prores", "webm": "vp9", "matroska": "ffv1"}
_ALPHA_TARGETS = (
    "alpha goes into .mov (ProRes 4444), .webm (VP9), .mkv (FFV1), or a folder of PNG images "
    "(a name without a suffix)"
)
# Hardly any player takes more than 10 bits, so more are written only if the config names a codec.
_MAX_AUTO_BITS = 10


@dataclass(frozen=True, slots=True)
class EncodingRequest:
    """What is asked of an encoding; :func:`choose_encoding` decides the rest.

    Attributes:
        codec: ``auto`` or a key of :data:`outtake.video.write.codecs.CODECS`.
        crf: The constant quality, lower is better; None for the codec's own default.
        preset: Speed against size, by x264's names.
        channels: The channels of the frames: 3, or 4 with straight alpha.
        bit_depth: The bits per component of the source.
    """

    codec: str = "auto"
    crf: int | None = None
    preset: str = "veryfast"
    channels: int = 3
    bit_depth: int = 8


@dataclass(frozen=True, slots=True)
class Encoding:
    """A codec with everything decided except the size.

    Attributes:
        name: The codec's name in the config.
        codec: How its encoder is driven.
        container: FFmpeg's name of the target's container.
        bit_depth: Bits per component, as stored.
        alpha: Whether transparency is stored.
        options: Encoder options.
    """

    name: str
    codec: Codec
    container: str
    bit_depth: int
    alpha: bool
    options: dict[str, str]

    def pix_fmt(self, width: int, height: int) -> str:
        """Return FFmpeg's name of the pixel format for a size.

        Raises:
            OutputError: The codec cannot store this odd size.
        """
        if self.codec.odd_size_formats is None or not (width % 2 or height % 2):
            return self.codec.available_formats(alpha=self.alpha)[self.bit_depth]
        if self.bit_depth not in self.codec.odd_size_formats:
            raise OutputError(
                f"encode.codec={self.name} cannot store the odd size {width}x{height}; use "
                "encode.codec=" + self.name.removesuffix("_nvenc")
            )
        return self.codec.odd_size_formats[self.bit_depth]

    def fingerprint(self) -> dict[str, Any]:
        """Return what decides about the bytes written, beside the frames."""
        return {
            "codec": self.codec.encoder,
            "bits": self.bit_depth,
            "alpha": self.alpha,
            "options": self.options,
            "library": list(av.library_versions["libavcodec"]),
        }

    def warn_of_losses(self, info: VideoInfo) -> None:
        """Log one warning for each thing that the source has and the target will not keep."""
        name = info.path.name
        if info.bit_depth > self.bit_depth:
            log.warning(
                "%s: %d bits become %d; encode.codec=%s keeps more",
                name, info.bit_depth, self.bit_depth, _codecs_with_more_bits(self),
            )  # fmt: skip
        stored = self.pix_fmt(info.width, info.height)
        if stored != self.pix_fmt(2, 2):
            log.warning(
                "%s: the odd size %dx%d is kept by storing full colour (%s), which browsers and "
                "some devices do not play",
                name, info.width, info.height, stored,
            )  # fmt: skip


def container_format(path: Path) -> str:
    """Return FFmpeg's name of the container that a suffix stands for.

    Raises:
        OutputError: The suffix is unknown.
    """
    if path.suffix.lower() not in CONTAINERS:
        raise OutputError(
            f"output {path}: unknown suffix {path.suffix!r}; use {', '.join(CONTAINERS)}, "
            "or a name without a suffix for a folder of PNG images"
        )
    return CONTAINERS[path.suffix.lower()]


def choose_encoding(path: Path, request: EncodingRequest) -> Encoding:
    """Return the encoding for a target, whose suffix names the container.

    ``auto`` is H.264 (VP9 in WebM); for a source of more than 8 bits, H.265 with 10 (AV1 in WebM,
    if VP9 is built for 8 only); with alpha, ProRes 4444, VP9 or FFV1 by the suffix.

    Raises:
        OutputError: An unknown codec, quality or preset; a codec that the container does not hold,
            that has no alpha, or whose encoder is not in this build.
    """
    container, alpha = container_format(path), request.channels == 4
    automatic = request.codec == "auto"
    bits = min(request.bit_depth, _MAX_AUTO_BITS) if automatic else request.bit_depth
    name = _choose_codec(path, container, alpha, bits) if automatic else request.codec
    if name not in CODECS:
        raise OutputError(f"encode.codec={name}: unknown; use auto, {', '.join(CODECS)}")
    codec = _available_encoder(name)
    if container not in codec.containers:
        fit = [
            other
            for other, (entry, *_) in CODECS.items()
            if container in entry.containers and not entry.gpu
        ]
        raise OutputError(f"encode.codec={name} does not go into {path.name}; use {', '.join(fit)}")
    if alpha and container not in codec.alpha_containers:
        raise OutputError(f"encode.codec={name} has no alpha in {path.name}; {_ALPHA_TARGETS}")
    options = dict(codec.options) | _quality_options(name, codec, request.crf)
    options |= _preset_options(codec, request.preset)
    if name == "prores":
        options |= {"profile": "4444", "alpha_bits": "16"} if alpha else {"profile": "hq"}
    if name == "vp9" and alpha:
        options["auto-alt-ref"] = "0"  # hidden frames would have no alpha of their own
    stored_bits = _choose_bit_depth(codec, alpha=alpha, requested_bits=bits)
    return Encoding(name, codec, container, stored_bits, alpha, options)


def _choose_codec(path: Path, container: str, alpha: bool, bits: int) -> str:
    if alpha:
        if container not in _ALPHA_CODECS:
            raise OutputError(f"output {path}: {container} has no alpha; {_ALPHA_TARGETS}")
        return _ALPHA_CODECS[container]
    names = ("vp9", "av1") if container == "webm" else ("h264", "h265")
    for name in names:
        codec = next((entry for entry in CODECS[name] if encoder_pix_fmts(entry.encoder)), None)
        if codec and max(codec.available_formats(alpha=False), default=0) >= bits:
            return name
    return names[0]


def _available_encoder(name: str) -> Codec:
    for codec in CODECS[name]:
        if codec.available_formats(alpha=False):
            return codec
    tried = ", ".join(codec.encoder for codec in CODECS[name])
    raise OutputError(f"encode.codec={name}: this build of PyAV has no encoder for it ({tried})")


def _quality_options(name: str, codec: Codec, crf: int | None) -> dict[str, str]:
    if codec.quality is None:
        if crf is not None:
            raise OutputError(
                f"encode.crf={crf}: encode.codec={name} has no constant quality; leave "
                "encode.crf=null"
            )
        return {}
    value = codec.quality.default if crf is None else crf
    if not 0 <= value <= codec.quality.worst:
        raise OutputError(
            f"encode.crf={value}: encode.codec={name} takes 0 (best) to {codec.quality.worst} "
            "(worst), "
            f"or null for {codec.quality.default}"
        )
    return {codec.quality.option: str(value)}


def _preset_options(codec: Codec, preset: str) -> dict[str, str]:
    if preset not in PRESETS:
        raise OutputError(f"encode.preset={preset}: unknown; use {', '.join(PRESETS)}")
    if codec.preset is None:
        return {}
    option, values = codec.preset
    return {option: values[PRESETS.index(preset)]}


def _choose_bit_depth(codec: Codec, *, alpha: bool, requested_bits: int) -> int:
    available = sorted(codec.available_formats(alpha=alpha))
    return next((bits for bits in available if bits >= requested_bits), available[-1])


def _codecs_with_more_bits(encoding: Encoding) -> str:
    found = [
        name
        for name, (codec, *_) in CODECS.items()
        if encoding.container in codec.containers
        and not codec.gpu
        and max(codec.available_formats(alpha=encoding.alpha), default=0) > encoding.bit_depth
    ]
    return "|".join(found) or "ffv1 in .mkv"
