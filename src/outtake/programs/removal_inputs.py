"""What a removal reads, looked for before anything that takes seconds to import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf, open_dict

from outtake.config.compose import default_values
from outtake.config.infer_video_schema import InferVideoConfig
from outtake.config.instantiate import resolve_config
from outtake.config.schema import parse
from outtake.core.errors import CheckpointError, ConfigError
from outtake.labelled_video.project_folder import check_project
from outtake.masking.find_mask_files import find_mask_files
from outtake.video.read.inputs import STANDARD, expand_inputs
from outtake.video.read.open_media import suggest_nearby


def read_configs(cfg: DictConfig) -> list[InferVideoConfig]:
    """Check the config and return it; for a list of jobs, return one for each.

    ``masks: PATH`` is taken for ``masks: {path: PATH}``.

    Raises:
        ConfigError: A key or a value is not allowed, or the list cannot be read.
    """
    if cfg.jobs is None:
        return [_parse(resolve_config(cfg))]
    with open_dict(cfg):
        shared = cfg.copy()
        # Each job names its own.
        for key in ("input", "output"):
            if OmegaConf.is_missing(shared, key):
                shared[key] = None
    values = {**resolve_config(shared), "jobs": None}
    configs = []
    for index, entry in enumerate(_read_list(str(cfg.jobs))):
        try:
            configs.append(_parse(_merge(values, entry)))
        except ConfigError as error:
            raise ConfigError(f"{cfg.jobs}: job {index + 1}: {error}") from error
    return configs


def _parse(values: dict[str, Any]) -> InferVideoConfig:
    return parse(InferVideoConfig, expand_mask_path(values, "infer_video"))


def expand_mask_path(values: Mapping[str, Any], program: str) -> dict[str, Any]:
    """Return values in which ``masks: PATH`` is ``masks: {path: PATH}`` with its usual keys."""
    masks = values["masks"]
    if not isinstance(masks, Mapping):
        masks = {**default_values(program)["masks"], "path": masks}
    return {**values, "masks": masks}


def check_checkpoint(checkpoint: str | Sequence[str]) -> None:
    """Find a checkpoint that is not there, of one or several, before seconds of imports.

    Raises:
        CheckpointError: There is no such file or folder.
    """
    for name in [checkpoint] if isinstance(checkpoint, str) else checkpoint:
        path = Path(name).expanduser()
        if not path.exists():
            raise CheckpointError(f"no such checkpoint: {path}{suggest_nearby(path)}")


def _read_list(name: str) -> list[Mapping[str, Any]]:
    path = Path(name).expanduser()
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"jobs={name}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"jobs={name}: is no yaml: {' '.join(str(error).split())}") from error
    if not isinstance(entries, list) or not entries:
        raise ConfigError(
            f"jobs={name}: must be a list, each of its entries as '- {{input: IN, output: OUT, "
            "masks: MASKS}'"
        )
    for entry in entries:
        if not isinstance(entry, Mapping):
            raise ConfigError(f"jobs={name}: {entry} must be keys and values, such as input: IN")
    return entries


def _merge(values: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return values in which those of an entry replace others, inside groups too."""
    merged = dict(values)
    for key, value in entry.items():
        group, _, rest = str(key).partition(".")
        value = {rest: value} if rest else value
        old = merged.get(group)
        if group == "masks" and not isinstance(value, Mapping):
            value = {"path": value}
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            value = _merge(old, value)
        merged[group] = value
    return merged


def check_inputs(cfg: DictConfig) -> None:
    """Find what is missing or misspelt, without loading a network.

    Raises:
        OuttakeError: A value is not allowed, or a file is not there.
    """
    for config in read_configs(cfg):
        if config.input != STANDARD:
            expand_inputs(config.input)
        if config.masks.path is not None:
            find_mask_files(config.masks.path, config.masks.ids)
        if config.checkpoint is not None and not config.without_network:
            check_checkpoint(config.checkpoint)
        if config.labels is not None:
            check_project(Path(config.labels).expanduser())
