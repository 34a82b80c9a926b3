"""Groups that are left out on a command line: ``GROUP=null`` and ``GROUP=``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from outtake.core.errors import ConfigError


def settle_group_overrides(words: Sequence[str], conf_dir: Path) -> list[str]:
    """Write each group that is left out as Hydra does, ``~GROUP``.

    Args:
        words: A command line; what is no override of a whole group stays as it is.
        conf_dir: The folder in which each group is a folder.

    Raises:
        ConfigError: A number or a truth value stands where an option of a group must.
    """
    return [_settle(word, conf_dir) for word in words]


def _settle(word: str, conf_dir: Path) -> str:
    group, sign, value = word.partition("=")
    if not sign or not group.isidentifier() or not (conf_dir / group).is_dir():
        return word
    if value.strip().lower() in ("", "null"):
        return f"~{group}"
    try:
        (override,) = OverridesParser.create().parse_overrides([word])
    except HydraException:
        return word  # Hydra says what is wrong with it
    if isinstance(override.value(), bool | int | float) and not override.is_sweep_override():
        options = list_options(conf_dir / group)
        raise ConfigError(f"{word}: no such option; allowed are {', '.join(options)}")
    return word


def list_options(folder: Path) -> list[str]:
    """Return the options of a group, sorted, as ``unet`` and ``keras/vgg_unet``.

    Args:
        folder: The folder of the group. What lies in its folder ``base`` is only built upon.
    """
    files = (path.relative_to(folder).with_suffix("") for path in folder.rglob("*.yaml"))
    return sorted(file.as_posix() for file in files if file.parts[0] != "base")
