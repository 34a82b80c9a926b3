"""Compose a config without a command line, for the demo, tests and notebooks."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from outtake.config.group_overrides import settle_group_overrides
from outtake.config.schema import show_value

_PACKAGED = Path(__file__).resolve().parents[1] / "conf"
# Inside an installed package, or beside ``src/`` in a checkout, where it is edited.
CONF_DIR = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).resolve().parents[3] / "conf"

# The parser in C, where PyYAML has it: the one in Python takes 20 ms for a program's options.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def program_command(name: str) -> str:
    """Return how a user starts a program: as this one was started, or as it is installed."""
    script = CONF_DIR.parent / f"{name}.py"
    by_command = os.path.basename(sys.argv[0]).partition(" ")[0] == "outtake"
    return (
        f"python {script.name}"
        if script.is_file() and not by_command
        else f"outtake {name.replace('_', '-')}"
    )


def compose(name: str, overrides: Sequence[str] = ()) -> DictConfig:
    """Return ``conf/<name>.yaml`` composed with command-line style overrides."""
    with hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        return hydra.compose(name, overrides=settle_group_overrides(overrides, CONF_DIR))


def list_changed(program: str, group: str, values: Mapping[str, Any]) -> list[str]:
    """Return the keys of a group that are not as ``conf/<program>.yaml`` has them, as KEY=VALUE."""
    usual = default_values(program)[group]
    return [
        f"{group}.{key}={show_value(value)}" for key, value in values.items() if value != usual[key]
    ]


def default_values(name: str) -> dict[str, Any]:
    """Return the values of ``conf/<name>.yaml`` with those of ``conf/shared`` that it takes.

    What its groups add is left out.
    """
    values = _read_yaml(name)
    for entry in values.get("defaults", []):
        file, _, key = str(entry).partition("@")
        if file.startswith("shared/"):
            values[key] = {**_read_yaml(file), **values.get(key, {})}
    return values


def _read_yaml(name: str) -> dict[str, Any]:
    text = (CONF_DIR / f"{name}.yaml").read_text(encoding="utf-8")
    values = yaml.load(text, Loader=_Loader)
    return {str(key): value for key, value in values.items()}


def is_hydra_program() -> bool:
    """Return whether Hydra started this program, so that its command line can be run again."""
    return bool(HydraConfig.initialized())
