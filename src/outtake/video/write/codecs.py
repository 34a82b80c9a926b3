"""The codecs, and how the encoder of each is driven."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache

import av

# x264's names for speed against size, fastest first; every other codec's scale is laid over them.
PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast",
    "medium", "slow", "slower", "veryslow", "placebo",
)  # fmt: skip
_NVENC_PRESETS = ("p1", "p1", "p2", "p3", "p4", "p4", "p5", "p6", "p7", "p7")
_SVT_PRESETS = ("9", "9", "8", "8", "7", "6", "5", "4", "2", "1")
_VPX_SPEEDS = ("5", "5", "5", "4", "3", "2", "1", "1", "0", "0")
_AOM_SPEEDS = ("8", "8", "7", "6", "6", "5", "4", "3", "2", "1")


@dataclass(frozen=True, slots=True)
class QualityScale:
    """A codec's scale of constant quality: lower is better.

    Attributes:
        default: The value if the config names none; visually near lossless.
        worst: The worst value that the codec takes.
        option: The encoder's name for it.
        best: The best value.
        unit: How much of the encoder's own scale one step is.
        flags: Flags of the encoder that go with it.
    """

    default: int
    worst: int
    option: str = "crf"
    best: int = 0
    unit: int = 1
    flags: str = ""


@dataclass(frozen=True, slots=True)
class Codec:
    """How an encoder is called and driven.

    Attributes:
        encoder: FFmpeg's encoder.
        containers: FFmpeg's names of the containers that hold it and play.
        formats: The pixel format without alpha, by bits per component, at its usual chroma.
        chroma: The chroma of ``formats``: ``420``, ``422``, ``444`` or ``rgb``.
        finer: Pixel formats of other chroma that it takes, by chroma and bits per component.
        alpha_formats: The pixel format with alpha, by bits per component; empty for none.
        alpha_containers: The containers in which its alpha survives.
        odd_size_formats: The pixel format of full colour resolution (4:4:4), by bits per
            component, that an odd width or height needs; empty if odd sizes are impossible; None
            if ``formats`` store any size.
        quality: The scale of constant quality; None if there is none.
        options: Encoder options.
        preset: The encoder's option for speed, and its values in the order of ``PRESETS``.
        gpu: Whether it needs an NVIDIA GPU.
        field_flags: The flags of the encoder for pictures of two fields; empty if it cannot say
            that a picture is one.
        fixed_rates: Whether its encoder counts frames at one of some rates and knows no times.
        hdr10: The option that takes HDR10's metadata; empty for none.
        two_passes: Whether it can encode twice for the sake of a bitrate.
        profiles: The profiles that may be chosen.
        level: The option that takes a level, as ``option`` or ``option/key``; empty for none.
    """

    encoder: str
    containers: tuple[str, ...]
    formats: dict[int, str]
    chroma: str = "420"
    finer: dict[str, dict[int, str]] = field(default_factory=dict)
    alpha_formats: dict[int, str] = field(default_factory=dict)
    alpha_containers: tuple[str, ...] = ()
    odd_size_formats: dict[int, str] | None = None
    quality: QualityScale | None = None
    options: dict[str, str] = field(default_factory=dict)
    preset: tuple[str, tuple[str, ...]] | None = None
    gpu: bool = False
    field_flags: str = ""
    fixed_rates: bool = False
    hdr10: str = ""
    two_passes: bool = False
    profiles: tuple[str, ...] = ()
    level: str = ""

    def available_formats(self, *, alpha: bool, chroma: str = "") -> dict[int, str]:
        """Return the pixel formats by bits, only those that this build of the encoder takes.

        Args:
            alpha: Whether they have alpha; then chroma does not matter.
            chroma: Their chroma; by default the usual one.
        """
        available = encoder_pix_fmts(self.encoder) or frozenset()
        formats = {self.chroma: self.formats, **self.finer}.get(chroma or self.chroma, {})
        formats = self.alpha_formats if alpha else formats
        return {bits: name for bits, name in formats.items() if name in available}


def _yuv(chroma: str, *bits: int) -> dict[int, str]:
    return {each: f"yuv{chroma}p" + (f"{each}le" if each > 8 else "") for each in bits}


_YUV420 = _yuv("420", 8, 10, 12)
_YUV444 = _yuv("444", 8, 10, 12)
_FINER = {chroma: _yuv(chroma, 8, 10, 12) for chroma in ("422", "444")}
_COMMON_CONTAINERS = ("mp4", "mov", "matroska")
_OPEN_CONTAINERS = ("webm", "matroska", "mp4")
# NVENC takes ten bits as the upper ones of sixteen. In these formats the lower bits are empty:
# those of yuv444p16le would be cut off, not rounded.
_NVENC_420 = {8: "yuv420p", 10: "p010le"}
_NVENC_444 = {8: "yuv444p", 10: "yuv444p10msble"}
_NVENC_OPTIONS = {"rc": "vbr", "b": "0"}


def _nvenc_codec(
    name: str,
    containers: tuple[str, ...],
    formats: dict[int, str],
    odd: dict[int, str],
    default: int,
    highest: int = 51,
) -> Codec:
    return Codec(
        f"{name}_nvenc",
        containers,
        formats,
        finer={"444": odd} if odd else {},
        odd_size_formats=odd,
        quality=QualityScale(default, highest, "cq"),
        options=_NVENC_OPTIONS,
        preset=("preset", _NVENC_PRESETS),
        gpu=True,
    )


# The encoders for each name in the config, the preferred one first.
CODECS: dict[str, tuple[Codec, ...]] = {
    "h264": (
        Codec(
            "libx264",
            _COMMON_CONTAINERS,
            {8: "yuv420p"},  # more bits are possible, and no browser or phone plays them
            finer={"422": _yuv("422", 8, 10), "444": _yuv("444", 8, 10)},
            field_flags="+ildct+ilme",
            hdr10="x264-params",
            two_passes=True,
            profiles=("baseline", "main", "high", "high422", "high444"),
            level="level",
            odd_size_formats={8: "yuv444p"},
            quality=QualityScale(18, 51),
            preset=("preset", PRESETS),
        ),
    ),
    "h265": (
        Codec(
            "libx265",
            _COMMON_CONTAINERS,
            _YUV420,
            finer=_FINER,
            hdr10="x265-params",
            two_passes=True,
            profiles=(
                "main",
                "main10",
                "main12",
                "main422-10",
                "main422-12",
                "main444-8",
                "main444-10",
                "main444-12",
            ),
            level="x265-params/level-idc",
            odd_size_formats=_YUV444,
            quality=QualityScale(20, 51),
            # The number of frame threads changes what is written; with a fixed number, all
            # machines agree.
            options={"x265-params": "log-level=error:frame-threads=2"},
            preset=("preset", PRESETS),
        ),
    ),
    "av1": (
        Codec(
            "libsvtav1",
            _OPEN_CONTAINERS,
            _YUV420,
            hdr10="svtav1-params",
            quality=QualityScale(24, 63),
            preset=("preset", _SVT_PRESETS),
        ),
        Codec(
            "libaom-av1",
            _OPEN_CONTAINERS,
            _YUV420,
            finer=_FINER,
            quality=QualityScale(24, 63),
            options={"b": "0", "row-mt": "1"},
            preset=("cpu-used", _AOM_SPEEDS),
        ),
    ),
    "vp9": (
        Codec(
            "libvpx-vp9",
            _OPEN_CONTAINERS,
            _YUV420,
            finer=_FINER,
            alpha_formats={8: "yuva420p"},
            alpha_containers=("webm", "matroska"),
            quality=QualityScale(24, 63),
            options={"row-mt": "1", "deadline": "good", "b": "0"},
            preset=("cpu-used", _VPX_SPEEDS),
        ),
    ),
    "prores": (
        Codec(
            "prores_ks",
            ("mov", "matroska"),
            {10: "yuv422p10le"},
            chroma="422",
            finer={"444": {10: "yuv444p10le"}},
            profiles=("proxy", "lt", "standard", "hq", "4444", "4444xq"),
            field_flags="+ildct",
            alpha_formats={10: "yuva444p10le"},
            alpha_containers=("mov", "matroska"),
            options={"vendor": "apl0"},
        ),
    ),
    "ffv1": (
        Codec(
            "ffv1",
            ("matroska",),
            {8: "bgr0", 10: "gbrp10le", 12: "gbrp12le", 14: "gbrp14le", 16: "gbrp16le"},
            chroma="rgb",
            finer={chroma: _yuv(chroma, 8, 10, 12, 16) for chroma in ("420", "422", "444")},
            field_flags="+ildct",
            alpha_formats={
                8: "bgra",
                10: "gbrap10le",
                12: "gbrap12le",
                14: "gbrap14le",
                16: "gbrap16le",
            },
            alpha_containers=("matroska",),
            # The slices are part of the track's header, which all segments have in common.
            options={"slicecrc": "1", "slices": "4"},
        ),
    ),
    "mpeg2": (
        Codec(
            "mpeg2video",
            _COMMON_CONTAINERS,
            {8: "yuv420p"},
            finer={"422": {8: "yuv422p"}},
            field_flags="+ildct+ilme",
            fixed_rates=True,
            # Its quantiser, in FFmpeg's units of a 118th.
            quality=QualityScale(2, 31, "global_quality", best=1, unit=118, flags="+qscale"),
            options={"g": "15", "bf": "2"},
        ),
    ),
    "h264_nvenc": (_nvenc_codec("h264", _COMMON_CONTAINERS, {8: "yuv420p"}, {8: "yuv444p"}, 19),),
    "hevc_nvenc": (_nvenc_codec("hevc", _COMMON_CONTAINERS, _NVENC_420, _NVENC_444, 21),),
    # It lists 4:4:4 like the others but refuses to open with it.
    "av1_nvenc": (_nvenc_codec("av1", _OPEN_CONTAINERS, _NVENC_420, {}, 24, 63),),
}


@cache
def encoder_pix_fmts(encoder: str) -> frozenset[str] | None:
    """Return the pixel formats that an encoder takes; None if this build does not have it."""
    try:
        formats = av.Codec(encoder, "w").video_formats
    except av.codec.codec.UnknownCodecError:
        return None
    return frozenset(pixel_format.name for pixel_format in formats or ())


@cache
def encoder_frame_rates(encoder: str) -> tuple[Fraction, ...]:
    """Return the frame rates that an encoder knows, where it knows some alone."""
    rates = av.Codec(encoder, "w").frame_rates or ()
    return tuple(Fraction(rate.numerator, rate.denominator) for rate in rates)
