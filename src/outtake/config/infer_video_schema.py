"""What the values of ``conf/infer_video.yaml`` may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outtake.core.errors import ConfigError
from outtake.core.validate import check_number

# key -> (type, least value, whether null is allowed)
_NUMBERS: dict[str, tuple[type, float, bool]] = {
    "feather": (float, 0, False),
    "fps": (float, 0, False),
    "every": (int, 1, False),
    "batch_size": (int, 1, False),
    "segment_every": (int, 1, False),
    "short_side": (int, 1, True),
    "overlap": (float, 0, False),
    "crf": (int, 0, True),
    "max_memory_mb": (int, 1, False),
    "segment_frames": (int, 1, False),
    "workers": (int, 0, False),
    "mask.dilate": (float, 0, False),
    "mask.min_area": (float, 0, False),
    "mask.vote": (int, 0, False),
    "mask.low": (float, 0, True),
}
_SWITCHES = (
    "overwrite", "flip", "preview", "provenance_video", "mask.fill_holes", "mask.shadows",
)  # fmt: skip
_GROUPS = ("mask", "limits", "backend", "remover")
_WORDS = {"audio": ("copy", "drop"), "resume": ("auto", "false")}


def check_values(plain: Mapping[str, Any]) -> None:
    """Find a value of the wrong kind before any work.

    What depends on other things, such as an upper bound, is checked where it is used.

    Raises:
        ConfigError: the first that is wrong.
    """
    for key in _GROUPS:
        if not isinstance(plain.get(key), Mapping):
            raise ConfigError(f"{key}={plain.get(key)}: leave it out, or set {key}.KEY=VALUE")
    for key, (kind, least, optional) in _NUMBERS.items():
        check_number(key, _at(plain, key), least, whole=kind is int, optional=optional)
    for key in _SWITCHES:
        if not isinstance(_at(plain, key), bool):
            raise ConfigError(f"{key}={_at(plain, key)}: must be true or false")
    for key, words in _WORDS.items():
        if str(plain[key]).lower() not in words:
            raise ConfigError(f"{key}={plain[key]}: unknown; use {', '.join(words)}")
    threshold = plain["mask"].get("threshold")
    for value in threshold.values() if isinstance(threshold, Mapping) else [threshold]:
        check_number("mask.threshold", value, 0)
    scales = plain["scales"]
    if not isinstance(scales, list) or not scales:
        raise ConfigError(f"scales={scales}: must be a list of numbers, such as [0.75,1,1.25]")
    for value in scales:
        check_number("scales", value, 0)
    for key in ("input", "output", "masks"):
        value = plain[key]
        if key == "masks" and value is None:
            continue
        entries = value if isinstance(value, list) else [value]
        if not entries or not all(isinstance(entry, str) and entry for entry in entries):
            raise ConfigError(f"{key}={value!r}: must name a file or folder")
    if not isinstance(plain["output"], str):
        raise ConfigError("output is a list; name one file, or a folder for several inputs")


def _at(plain: Mapping[str, Any], key: str) -> Any:
    group, _, name = key.rpartition(".")
    return (plain[group] if group else plain).get(name)
