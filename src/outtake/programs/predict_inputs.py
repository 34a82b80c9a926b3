"""What outtake predict reads, looked for before anything that takes seconds to import."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from omegaconf import DictConfig

from outtake.config.compose import default_values
from outtake.config.instantiate import resolve_config
from outtake.config.predict_schema import PredictConfig
from outtake.config.schema import parse
from outtake.core.errors import CheckpointError
from outtake.pictures.find_pictures import find_pictures
from outtake.video.read.open_media import suggest_nearby


def read_config(cfg: DictConfig) -> PredictConfig:
    """Check the config and return it; ``masks: PATH`` is taken for ``masks: {path: PATH}``.

    Raises:
        ConfigError: A key or a value is not allowed.
    """
    values = resolve_config(cfg)
    if not isinstance(values["masks"], Mapping):
        values["masks"] = {**default_values("predict")["masks"], "path": values["masks"]}
    return parse(PredictConfig, values)


def check_inputs(cfg: DictConfig) -> None:
    """Find what is missing or misspelt, without loading a network.

    Raises:
        OuttakeError: A value is not allowed, or a file is not there.
    """
    config = read_config(cfg)
    find_pictures(config.input, Path(config.output).expanduser())
    if config.checkpoint is not None and config.needs_labels:
        path = Path(config.checkpoint).expanduser()
        if not path.exists():
            raise CheckpointError(f"no such checkpoint: {path}{suggest_nearby(path)}")
