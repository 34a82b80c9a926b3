"""The codecs, and how the encoder of each is driven."""

from __future__ import annotations

from dataclasses import dataclass, field
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
    """

    default: int
    worst: int
    option: str = "crf"


@dataclass(frozen=True, slots=True)
class Codec:
    """How an encoder is called and driven.

    Attributes:
        encoder: FFmpeg's encoder.
        containers: FFmpeg's names of the containers that hold it and play.
        formats: The pixel format without alpha, by bits per component.
        alpha_formats: The pixel format with alpha, by bits per component; empty for none.
        alpha_containers: The containers in which its alpha survives.
        odd_size_formats: The pixel format of full colour resolution (4:4:4), by bits per
            component, that an odd width or height needs; empty if odd sizes are impossible; None
            if ``formats`` store any size.
        quality: The scale of constant quality; None if there is none.
        options: Encoder options.
        preset: The encoder's option for speed, and its values in the order of ``PRESETS``.
        gpu: Whether it needs an NVIDIA GPU.
    """

    encoder: str
    containers: tuple[str, ...]
    formats: dict[int, str]
    alpha_formats: dict[int, str] = field(default_factory=dict)
    alpha_containers: tuple[str, ...] = ()
    odd_size_formats: dict[int, str] | None = None
    quality: QualityScale | None = None
    options: dict[str, str] = field(default_factory=dict)
    preset: tuple[str, tuple[str, ...]] | None = None
    gpu: bool = False

    def available_formats(self, *, alpha: bool) -> dict[int, str]:
        """Return the pixel formats by bits, only those that this build of the encoder takes."""
        available = encoder_pix_fmts(self.encoder) or frozenset()
        formats = self.alpha_formats if alpha else self.formats
        return {bits: name for bits, name in formats.items() if name in available}


_YUV420 = {8: "yuv420p", 10: "yuv420p10le", 12: "yuv420p12le"}
_YUV444 = {8: "yuv444p", 10: "yuv444p10le", 12: "yuv444p12le"}
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
            quality=QualityScale(24, 63),
            preset=("preset", _SVT_PRESETS),
        ),
        Codec(
            "libaom-av1",
            _OPEN_CONTAINERS,
            _YUV420,
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
