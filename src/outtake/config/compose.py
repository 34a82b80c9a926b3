"""Compose a config without a command line, for the demo, tests and notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import hydra
from omegaconf import DictConfig

CONF_DIR = Path(__file__).resolve().parents[3] / "conf"


def compose(name: str, overrides: Sequence[str] = ()) -> DictConfig:
    """Return ``conf/<name>.yaml`` composed with command-line style overrides."""
    with hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        return hydra.compose(name, overrides=list(overrides))
