"""The options of an encoder: quality or bitrate, speed, profile and level."""

from __future__ import annotations

import re
from dataclasses import dataclass

from outtake.core.errors import OutputError
from outtake.video.write.codecs import CODECS, PRESETS, Codec

_BITRATE = re.compile(r"(\d+(?:\.\d+)?)([kKmM]?)")
_MULTIPLES = {"": 1, "k": 1_000, "m": 1_000_000}
_LEVEL = re.compile(r"\d(?:\.\d|b)?")


@dataclass(frozen=True, slots=True)
class RateRequest:
    """What is asked of an encoder beside the codec; see ``EncodingRequest``."""

    crf: int | None
    bitrate: str | int | None
    preset: str
    profile: str | None
    level: str | float | None


def encoder_options(
    name: str, codec: Codec, rate: RateRequest, *, alpha: bool, chroma: str
) -> dict[str, str]:
    """Return the options of an encoder.

    Args:
        name: The codec's name in the config.
        codec: How its encoder is driven.
        rate: What is asked for.
        alpha: Whether alpha is stored.
        chroma: The chroma that is stored.

    Raises:
        OutputError: The codec does not have what is asked for.
    """
    options = dict(codec.options)
    if rate.bitrate is None:
        options |= _quality_options(name, codec, rate.crf)
    else:
        options |= _bitrate_options(name, codec, rate)
    options |= _preset_options(codec, rate.preset)
    if name == "prores":
        full = alpha or chroma == "444"
        options["profile"] = "4444" if full else "hq"
        if alpha:
            options["alpha_bits"] = "16"
    if name == "vp9" and alpha:
        options["auto-alt-ref"] = "0"  # hidden frames would have no alpha of their own
    if rate.profile is not None:
        options["profile"] = _check_profile(name, codec, rate.profile)
    if rate.level is not None:
        _add_level(name, codec, str(rate.level), options)
    return options


def parse_bitrate(value: str | int) -> int:
    """Return bits per second from ``8M``, ``800k`` or a plain number.

    Raises:
        OutputError: It is none.
    """
    match = _BITRATE.fullmatch(str(value).strip())
    bits = round(float(match[1]) * _MULTIPLES[match[2].lower()]) if match else 0
    if bits < 1000:
        raise OutputError(
            f"encode.bitrate={value}: give bits per second such as 8M, 800k or 8000000, 1000 or "
            "more"
        )
    return bits


def _bitrate_options(name: str, codec: Codec, rate: RateRequest) -> dict[str, str]:
    assert rate.bitrate is not None
    bits = parse_bitrate(rate.bitrate)
    if codec.quality is None:
        raise OutputError(
            f"encode.bitrate={rate.bitrate}: encode.codec={name} has no choice of rate; leave "
            "encode.bitrate=null"
        )
    if rate.crf is not None:
        raise OutputError(
            f"encode.bitrate={rate.bitrate} and encode.crf={rate.crf} are two ways of saying how "
            "large the output is; leave one of them null"
        )
    return {"b": str(bits)}


def _quality_options(name: str, codec: Codec, crf: int | None) -> dict[str, str]:
    if codec.quality is None:
        if crf is not None:
            raise OutputError(
                f"encode.crf={crf}: encode.codec={name} has no constant quality; leave "
                "encode.crf=null"
            )
        return {}
    value = codec.quality.default if crf is None else crf
    scale = codec.quality
    if not scale.best <= value <= scale.worst:
        raise OutputError(
            f"encode.crf={value}: encode.codec={name} takes {scale.best} (best) to {scale.worst} "
            f"(worst), or null for {scale.default}"
        )
    flags = {"flags": scale.flags} if scale.flags else {}
    return {scale.option: str(value * scale.unit), **flags}


def _preset_options(codec: Codec, preset: str) -> dict[str, str]:
    if preset not in PRESETS:
        raise OutputError(f"encode.preset={preset}: unknown; use {', '.join(PRESETS)}")
    if codec.preset is None:
        return {}
    option, values = codec.preset
    return {option: values[PRESETS.index(preset)]}


def _check_profile(name: str, codec: Codec, profile: str) -> str:
    if profile not in codec.profiles:
        allowed = f"use {', '.join(codec.profiles)}" if codec.profiles else "leave it null"
        raise OutputError(f"encode.profile={profile}: not one of encode.codec={name}; {allowed}")
    return profile


def _add_level(name: str, codec: Codec, level: str, options: dict[str, str]) -> None:
    if not codec.level:
        fit = [each for each, (first, *_) in CODECS.items() if first.level and not first.gpu]
        raise OutputError(
            f"encode.level={level}: encode.codec={name} has none to choose; leave it null, or use "
            f"encode.codec={'|'.join(fit)}"
        )
    if not _LEVEL.fullmatch(level):
        raise OutputError(f"encode.level={level}: give a level such as 4.1")
    key, separator, inner = codec.level.partition("/")
    if separator:  # an option that holds options
        options[key] = ":".join(filter(None, (options.get(key), f"{inner}={level}")))
    else:
        options[key] = level
