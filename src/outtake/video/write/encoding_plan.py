"""Choose how a target is encoded, from its suffix, the config and the source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import av

from outtake.core.errors import OutputError
from outtake.video.hdr10 import Hdr10Metadata
from outtake.video.interlacing import FieldOrder
from outtake.video.read.probe import VideoInfo
from outtake.video.write.codecs import CODECS, Codec, encoder_pix_fmts
from outtake.video.write.encoder_options import RateRequest, encoder_options

# FFmpeg's name of the container, by suffix.
CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".m4v": "mp4", ".mkv": "matroska", ".webm": "webm"}
_ALPHA_CODECS = {"mov": "prores", "webm": "vp9", "matroska": "ffv1"}
_ALPHA_TARGETS = (
    "alpha goes into .mov (ProRes 4444), .webm (VP9), .mkv (FFV1), or a folder of PNG images "
    "(a name without a suffix)"
)
# What codecs are called elsewhere.
_OTHER_NAMES = {"avc": "h264", "x264": "h264", "hevc": "h265", "x265": "h265"}
# The containers in which interlaced MPEG-2 stays what it is; of MP4 nobody expects it.
_STUDIO = ("matroska", "mov")
# Codecs that are given the chroma of the source, because what plays is not what matters.
_SOURCE_CHROMA = ("ffv1", "prores", "mpeg2")
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
        chroma: ``auto``, ``420``, ``422`` or ``444``.
        bitrate: Bits per second instead of a constant quality, such as ``8M``.
        passes: How often each segment is encoded: 1, or 2 to spend ``bitrate`` where it is needed.
        profile: The encoder's profile; None for its own choice.
        level: The level, such as ``4.1``; None for the encoder's own choice.
        source_codec: FFmpeg's name of the source's codec, if there is one.
        source_chroma: The chroma of the source, if that is known.
        field_order: Which field comes first, if the frames are interlaced.
        hdr10: Mastering display and light levels of the source.
        source_alpha: Whether the source has alpha, which is kept where there is a place for it.
        copy_unchanged: ``auto``, ``always`` or ``never``: whether packets of the source are copied
            where nothing was changed; see :mod:`outtake.video.write.copy_plan`.
    """

    codec: str = "auto"
    crf: int | None = None
    preset: str = "veryfast"
    channels: int = 3
    bit_depth: int = 8
    chroma: str = "auto"
    bitrate: str | int | None = None
    passes: int = 1
    profile: str | None = None
    level: str | float | None = None
    source_codec: str = ""
    source_chroma: str = ""
    field_order: FieldOrder | None = None
    hdr10: Hdr10Metadata | None = None
    source_alpha: bool = False
    copy_unchanged: str = "never"

    def for_source(self, info: VideoInfo) -> Self:
        """Return the request for the frames of a source."""
        return replace(
            self,
            bit_depth=info.bit_depth,
            source_codec=info.codec,
            source_chroma=info.chroma,
            field_order=info.field_order,
            hdr10=info.hdr10,
            # That of an EXR is multiplied into its colours.
            source_alpha=info.has_alpha and not info.pix_fmt.startswith("gbrapf"),
        )


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
        chroma: The chroma that is stored: ``420``, ``422``, ``444`` or ``rgb``.
        field_order: Which field comes first, if the frames are stored as two fields.
        passes: How often each segment is encoded.
        limits: The profile and the level that were asked for, by the key of the config.
        copy_unchanged: What was asked for.
    """

    name: str
    codec: Codec
    container: str
    bit_depth: int
    alpha: bool
    options: dict[str, str]
    chroma: str = "420"
    field_order: FieldOrder | None = None
    passes: int = 1
    limits: Mapping[str, object] = field(default_factory=dict)
    copy_unchanged: str = "never"

    def pix_fmt(self, width: int, height: int) -> str:
        """Return FFmpeg's name of the pixel format for a size.

        Raises:
            OutputError: The codec cannot store this odd size.
        """
        usual = self.codec.available_formats(alpha=self.alpha, chroma=self.chroma)[self.bit_depth]
        if self.codec.odd_size_formats is None or self.chroma == "444":
            return usual
        if not (width % 2 or (height % 2 and self.chroma == "420")):
            return usual
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
            "chroma": self.chroma,
            "fields": self.field_order,
            "passes": self.passes,
            "copy_unchanged": self.copy_unchanged,
            "options": self.options,
            "library": list(av.library_versions["libavcodec"]),
        }


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
    if VP9 is built for 8 only); with alpha, ProRes 4444, VP9 or FFV1 by the suffix; ProRes stays
    ProRes in MOV, and interlaced MPEG-2 stays MPEG-2 in Matroska and MOV.

    Raises:
        OutputError: An unknown codec, quality or preset; a codec that the container does not hold,
            that has no alpha, not this chroma or no fields, or whose encoder is not in this build.
    """
    container = container_format(path)
    automatic = request.codec == "auto"
    bits = min(request.bit_depth, _MAX_AUTO_BITS) if automatic else request.bit_depth
    name = _choose_codec(path, container, request, bits) if automatic else request.codec
    if name not in CODECS:
        meant = _find_meant(name)
        advice = f"did you mean {meant}? Allowed are" if meant else "use"
        raise OutputError(f"encode.codec={name}: unknown; {advice} auto, {', '.join(CODECS)}")
    alpha = request.channels == 4 or (
        request.source_alpha
        and request.chroma == "auto"
        and any(container in entry.alpha_containers for entry in CODECS[name])
    )
    chroma = CODECS[name][0].chroma if alpha else _choose_chroma(name, request)
    codec = _available_encoder(name, chroma)
    _check_container(path, name, codec, alpha=alpha, fields=request.field_order is not None)
    rate = RateRequest(request.crf, request.bitrate, request.preset, request.profile, request.level)
    if request.passes > 1:
        _check_two_passes(name, codec, request)
    options = encoder_options(name, codec, rate, alpha=alpha, chroma=chroma)
    if request.hdr10 and codec.hdr10:
        described = request.hdr10.encoder_options(codec.hdr10)
        options[codec.hdr10] = ":".join(filter(None, (options.get(codec.hdr10), described)))
    if request.field_order:
        options["flags"] = options.get("flags", "") + codec.field_flags
    stored_bits = _choose_bit_depth(codec, alpha=alpha, chroma=chroma, requested_bits=bits)
    return Encoding(
        name,
        codec,
        container,
        stored_bits,
        alpha,
        options,
        chroma,
        request.field_order,
        request.passes,
        {"profile": request.profile, "level": request.level},
        request.copy_unchanged,
    )


def _check_container(path: Path, name: str, codec: Codec, *, alpha: bool, fields: bool) -> None:
    """Refuse a codec that does not go into the container with what is asked of it."""
    container = container_format(path)
    if container not in codec.containers:
        fit = _codec_names(lambda entry: container in entry.containers)
        raise OutputError(f"encode.codec={name} does not go into {path.name}; use {', '.join(fit)}")
    if alpha and container not in codec.alpha_containers:
        raise OutputError(f"encode.codec={name} has no alpha in {path.name}; {_ALPHA_TARGETS}")
    if fields and not codec.field_flags:
        fit = _codec_names(lambda each: each.field_flags and container in each.containers)
        other = f"use encode.codec={'|'.join(fit)}, or " if fit else "set "
        raise OutputError(
            f"the clip is interlaced, and encode.codec={name} does not store fields; {other}"
            "read.deinterlace=bwdif"
        )


def _find_meant(name: str) -> str | None:
    """Return the codec that is known by another name, such as that of its encoder."""
    other = name.lower().replace(".", "").replace("-", "")
    return _OTHER_NAMES.get(other) or next(
        (
            key
            for key, codecs in CODECS.items()
            if other in (key, *(each.encoder for each in codecs))
        ),
        None,
    )


def _check_two_passes(name: str, codec: Codec, request: EncodingRequest) -> None:
    if request.bitrate is None:
        raise OutputError(
            f"encode.passes={request.passes}: a constant quality needs one pass; set "
            "encode.bitrate, or encode.passes=1"
        )
    if not codec.two_passes:
        fit = "|".join(_codec_names(lambda each: each.two_passes))
        raise OutputError(
            f"encode.passes={request.passes}: the encoder of encode.codec={name} cannot be told "
            f"here what a first pass learnt; use encode.codec={fit}, or encode.passes=1"
        )


def _choose_codec(path: Path, container: str, request: EncodingRequest, bits: int) -> str:
    if request.channels == 4:
        if container not in _ALPHA_CODECS:
            raise OutputError(f"output {path}: {container} has no alpha; {_ALPHA_TARGETS}")
        return _ALPHA_CODECS[container]
    if request.source_alpha and container in _ALPHA_CODECS:
        return _ALPHA_CODECS[container]
    if request.source_codec == "prores" and container == "mov":
        return "prores"
    if request.source_codec == "mpeg2video" and request.field_order and container in _STUDIO:
        return "mpeg2"
    names = ("vp9", "av1") if container == "webm" else ("h264", "h265")
    if request.field_order and container != "webm":
        return "h264" if bits <= 8 or container != "mov" else "prores"
    for name in names:
        codec = next((entry for entry in CODECS[name] if encoder_pix_fmts(entry.encoder)), None)
        if codec and max(codec.available_formats(alpha=False), default=0) >= bits:
            return name
    return names[0]


def _choose_chroma(name: str, request: EncodingRequest) -> str:
    """Return the chroma that is stored; ``auto`` is what plays, or what a lossless codec is given.

    Raises:
        OutputError: The codec does not have the chroma that is asked for.
    """
    first = CODECS[name][0]
    if request.chroma == "auto":
        return (
            request.source_chroma
            if name in _SOURCE_CHROMA and request.source_chroma in first.finer
            else first.chroma
        )
    if any(codec.available_formats(alpha=False, chroma=request.chroma) for codec in CODECS[name]):
        return request.chroma
    fit = _codec_names(lambda each: each.available_formats(alpha=False, chroma=request.chroma))
    raise OutputError(
        f"encode.chroma={request.chroma}: encode.codec={name} does not have it; use "
        f"encode.codec={'|'.join(fit)}"
    )


def _codec_names(accepts: Callable[[Codec], object]) -> list[str]:
    """Return the names of the codecs, without those of a GPU, of which an encoder is accepted."""
    return [
        name
        for name, entries in CODECS.items()
        if any(accepts(entry) and not entry.gpu for entry in entries)
    ]


def _available_encoder(name: str, chroma: str) -> Codec:
    for codec in CODECS[name]:
        if codec.available_formats(alpha=False, chroma=chroma):
            return codec
    tried = ", ".join(codec.encoder for codec in CODECS[name])
    raise OutputError(f"encode.codec={name}: this build of PyAV has no encoder for it ({tried})")


def _choose_bit_depth(codec: Codec, *, alpha: bool, chroma: str, requested_bits: int) -> int:
    available = sorted(codec.available_formats(alpha=alpha, chroma=chroma))
    return next((bits for bits in available if bits >= requested_bits), available[-1])
