"""What outtake predict reads, looked for before anything that takes seconds to import."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from outtake.config.instantiate import resolve_config
from outtake.config.predict_schema import PredictConfig
from outtake.config.schema import parse
from outtake.pictures.find_pictures import find_pictures
from outtake.programs.removal_inputs import check_checkpoint, expand_mask_path


def read_config(cfg: DictConfig) -> PredictConfig:
    """Check the config and return it; ``masks: PATH`` is taken for ``masks: {path: PATH}``.

    Raises:
        ConfigError: A key or a value is not allowed.
    """
    return parse(PredictConfig, expand_mask_path(resolve_config(cfg), "predict"))


def check_inputs(cfg: DictConfig) -> None:
    """Find what is missing or misspelt, without loading a network.

    Raises:
        OuttakeError: A value is not allowed, or a file is not there.
    """
    config = read_config(cfg)
    find_pictures(config.input, Path(config.output).expanduser())
    if config.checkpoint is not None and config.needs_labels:
        check_checkpoint(config.checkpoint)
