"""What a removal reads, looked for before anything that takes seconds to import."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from omegaconf import DictConfig

from outtake.config.compose import default_values
from outtake.config.infer_video_schema import InferVideoConfig
from outtake.config.instantiate import resolve_config
from outtake.config.schema import parse
from outtake.core.errors import CheckpointError
from outtake.masking.find_mask_files import find_mask_files
from outtake.programs.standard_streams import STANDARD
from outtake.video.read.inputs import expand_inputs
from outtake.video.read.open_media import suggest_nearby


def read_config(cfg: DictConfig) -> InferVideoConfig:
    """Check the config and return it; ``masks: PATH`` is taken for ``masks: {path: PATH}``.

    Raises:
        ConfigError: A key or a value is not allowed.
    """
    values = resolve_config(cfg)
    if not isinstance(values["masks"], Mapping):
        values["masks"] = {**default_values("infer_video")["masks"], "path": values["masks"]}
    return parse(InferVideoConfig, values)


def check_inputs(cfg: DictConfig) -> None:
    """Find what is missing or misspelt, without loading a network.

    Raises:
        OuttakeError: A value is not allowed, or a file is not there.
    """
    config = read_config(cfg)
    if config.input != STANDARD:
        expand_inputs(config.input)
    if config.masks.path is not None:
        find_mask_files(config.masks.path)
    if config.checkpoint is not None and not config.without_network:
        path = Path(config.checkpoint).expanduser()
        if not path.exists():
            raise CheckpointError(f"no such checkpoint: {path}{suggest_nearby(path)}")
