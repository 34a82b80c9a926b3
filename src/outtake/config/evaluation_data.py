"""The data on which a checkpoint is scored: its own, or what the command line names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import yaml
from omegaconf import DictConfig, OmegaConf, open_dict
from torch.utils.data import DataLoader

from outtake.config.build_data import build_data
from outtake.config.compose import CONF_DIR
from outtake.config.load_ensemble import Trained, members_of
from outtake.config.trained_model import DIVISION_KEYS, TrainedModel, describe_division
from outtake.core.errors import ConfigError, DataRootError, LabelSpaceError
from outtake.core.override_text import quote_for_shell, quote_text
from outtake.data.datamodule import DataModule
from outtake.data.dataset import SampleTensors
from outtake.data.source import DataChoice, warn_of_data


def build_eval_data(
    trained: Trained, cfg: DictConfig, division: DictConfig | None = None
) -> DataModule:
    """Build the checkpoint's own data, or the data that the command line names.

    Of an ensemble it is the first one's own data. Images have the size that the networks see, or
    their own where the members of an ensemble see different ones. The images of the training are
    divided as they were there, also where the command line names them as a data set.

    Args:
        trained: The network.
        cfg: The config of the evaluation.
        division: The config whose folds divide the data; None for that of the network.

    Raises:
        LabelSpaceError: The data's classes are not the checkpoint's.
        ConfigError: Members of an ensemble have learned from what the others would be scored on.
    """
    data_cfg = trained.config.copy()
    if cfg.get("data") is None or not _names_a_data_set(cfg.data):
        _check_folds(trained, str(cfg.split))
    with open_dict(data_cfg):
        data_cfg.paths = cfg.paths
        # The network keeps the resolution that it was validated at.
        data_cfg.data.short_side, data_cfg.data.eval_short_side = trained.short_side, None
        if cfg.get("data") is not None:
            is_complete = _names_a_data_set(cfg.data)
            # Otherwise, +data.root=PATH only says where the checkpoint's own data is now.
            data_cfg.data = cfg.data if is_complete else OmegaConf.merge(data_cfg.data, cfg.data)
            if is_complete:
                if division is None and _is_data_of_training(data_cfg.data, trained.config.data):
                    _check_folds(trained, str(cfg.split))
                    if data_cfg.get("folds"):
                        warn_of_data(f"{describe_division(data_cfg)}, as in training", DataChoice)
                else:
                    data_cfg.folds = None
                data_cfg.data.short_side, data_cfg.data.eval_short_side = trained.short_side, None
                _divide_as_in_training(data_cfg.data, trained.config.data)
        if division is not None:
            for key in DIVISION_KEYS:
                data_cfg[key] = division.get(key)
        data_cfg.data.cache = False
        if cfg.get("workers") is not None:
            data_cfg.data.workers = cfg.workers
        data_cfg.augment = {"steps": {}}
        # Nothing is trained, so no images without labels are looked for.
        data_cfg.supervision = data_cfg.data.unlabelled = None
        # Data without such a label map may have it as its masks.
        label_map = trained.label_map if data_cfg.data.get("further_labels") else None
        if label_map is None:
            data_cfg.data.further_labels = None
    data = build_data(
        data_cfg, trained.labels, trained.sample_range, trained.further_inputs, label_map
    )
    difference = trained.labels.difference(data.labels)
    if difference is not None:
        advice = "name data with the same classes"
        if trained.labels.known_by == "name" != data.labels.known_by:
            names = ",".join(map(quote_text, trained.labels.names))
            named = quote_for_shell(f"data.source.classes=[{names}]")
            advice = f"where its masks have those in their order, add {named}"
        raise LabelSpaceError(
            f"{trained.path} was trained on other classes than the data has: {difference}; {advice}"
        )
    if data.channels != trained.channels:
        raise LabelSpaceError(
            f"{trained.path} was trained on {trained.channels} channels, the data has "
            f"{data.channels}"
        )
    return data


def get_scored_label_maps(cfg: DictConfig, further: Sequence[str]) -> list[str]:
    """Return which of a network's further label maps the data have that are to be scored.

    Args:
        cfg: The config of the evaluation.
        further: The names of the network's further label maps.

    Raises:
        ConfigError: The command line names one that the network does not have.
    """
    given = {} if cfg.get("data") is None else cfg.data.get("further_labels") or {}
    if unknown := [name for name in given if name not in further]:
        raise ConfigError(
            f"data.further_labels.{unknown[0]}: the network has no such label map, only "
            f"{', '.join(further) or 'that of the masks'}"
        )
    if cfg.get("data") is None or not _names_a_data_set(cfg.data):
        return list(further)
    return [name for name in further if name in given]


def _is_data_of_training(data: DictConfig, own: DictConfig) -> bool:
    """Return whether a data set is that of a training, by its source and where its files are."""

    def select(config: DictConfig, key: str) -> Any:
        return OmegaConf.select(config, key, throw_on_resolution_failure=False)

    keys = ["source._target_", "root"]
    if select(own, "root") is None:  # then the files are named one by one
        keys += [f"source.{key}" for key in ("images", "masks", "csv", "video")]
    return all(select(data, key) == select(own, key) for key in keys)


def _divide_as_in_training(data: DictConfig, own: DictConfig) -> None:
    """Cut ``val`` out of ``train`` where training did: what it validated on is not ``train``."""
    key = "source.val_fraction"
    given, trained = OmegaConf.select(data, key), OmegaConf.select(own, key)
    if given == trained or data.source.get("_target_") != OmegaConf.select(own, "source._target_"):
        return
    if given == _usual_val_fraction(str(data.get("name"))):
        data.source.val_fraction = trained
        text = f"data.source.val_fraction={trained}, as in training"
    else:
        text = (
            f"data.source.val_fraction={given}, and {trained} in training: of its images, train "
            "and val are other parts here"
        )
    warn_of_data(text, DataChoice)


def _usual_val_fraction(name: str) -> Any:
    """Return what an option of ``data`` has where nobody says anything."""
    path = CONF_DIR / "data" / f"{name}.yaml"
    return yaml.safe_load(path.read_text())["source"].get("val_fraction") if path.is_file() else ...


def make_baseline_loader(
    baseline: Trained, trained: Trained, cfg: DictConfig, data: DataModule
) -> DataLoader[SampleTensors]:
    """Return the same split for the baseline, at the resolution that it was validated at.

    Raises:
        LabelSpaceError: The baseline's classes are not the same.
        DataRootError: The baseline would not be shown the same images.
    """
    # Data whose classes have no names take those of whatever network is scored on them.
    difference = baseline.labels.difference(trained.labels)
    if difference is not None:
        raise LabelSpaceError(
            f"baseline={baseline.path} was trained on other classes than {trained.path}: "
            f"{difference}; give one with the same classes"
        )
    baseline_cfg, split = cfg.copy(), str(cfg.split)
    with open_dict(baseline_cfg):
        whole = cfg.get("data") is not None and _names_a_data_set(cfg.data)
        baseline_cfg.data = _scored_data(trained, cfg)
    other = build_eval_data(baseline, baseline_cfg, None if whole else trained.config)
    if other.report(split).fingerprint != data.report(split).fingerprint:
        raise DataRootError(
            f"baseline={baseline.path} would be scored on other images than {trained.path}; name "
            "the data for both, as in data=folder data.root=PATH"
        )
    return other.eval_loader(split)


def _names_a_data_set(data: DictConfig) -> bool:
    """Return whether a data config is whole, and not a few keys of another."""
    return "_target_" in (data.get("source") or {})


def _check_folds(trained: Trained, split: str) -> None:
    """Refuse to score networks on images from which one of them, or what it is made of, learned."""
    parts = {division for member in members_of(trained) for division in member.divisions}
    if len(parts) > 1 and split != "test":
        mean = isinstance(trained, TrainedModel)
        raise ConfigError(
            f"split={split}: the members of this {'mean' if mean else 'ensemble'} are of different "
            f"folds, and each was trained on images that are {split} for another; score them on "
            "split=test, or on data of its own, as in data=folder data.root=PATH"
        )


def get_data_name(trained: Trained, cfg: DictConfig) -> str:
    """Return the name of the data that is scored."""
    named = (cfg.get("data") or {}).get("name") or trained.config.data.get("name") or "data"
    return to_folder_name(str(named))


def get_root_name(trained: Trained, cfg: DictConfig) -> str:
    """Return the last part of the ``data.root`` that is scored; empty where there is none."""
    root = OmegaConf.select(_scored_data(trained, cfg), "root", throw_on_resolution_failure=False)
    return to_folder_name(Path(str(root)).name) if root else ""


def to_folder_name(text: str) -> str:
    """Return a name as part of a folder's, since it may come out of somebody's checkpoint."""
    return re.sub(r"[^\w-]+", "_", text)


def names_data_of_training(trained: Trained, cfg: DictConfig) -> bool:
    """Return whether the command line names the data of the training, or none."""
    given, own = _scored_data(trained, cfg), trained.config.data
    return _is_data_of_training(given, own) and given.get("source") == own.get("source")


def _scored_data(trained: Trained, cfg: DictConfig) -> DictConfig:
    given: DictConfig | None = cfg.get("data")
    own = cast(DictConfig, trained.config.data)
    if given is None:
        return own
    return given if _names_a_data_set(given) else cast(DictConfig, OmegaConf.merge(own, given))
