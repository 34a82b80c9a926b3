"""Build what trains a network beside its labels, with the teacher that the config names."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig
from torch import nn

from outtake.config.instantiate import check_targets, instantiate_with_available, resolve_config
from outtake.config.load_ensemble import load_one_or_several, members_of
from outtake.config.trained_model import TrainedModel
from outtake.core.errors import ConfigError
from outtake.data.datamodule import DataModule
from outtake.data.further_inputs import get_further_inputs
from outtake.data.source import warn_of_data
from outtake.training.random_state import keep_random_state
from outtake.training.supervision.frozen_network import FrozenNetwork
from outtake.training.supervision_protocol import Supervision

_KEY = "supervision"


def build_supervision(cfg: DictConfig, net: nn.Module, data: DataModule) -> Supervision | None:
    """Build ``supervision``; None where the labels alone train the network.

    Random generators stay as they are, so that the network begins as it would without.

    Args:
        cfg: The config.
        net: The network that is trained.
        data: The data that it is trained on.

    Raises:
        ConfigError: The teacher has other classes or channels, or an option cannot work.
        CheckpointError: The teacher cannot be loaded.
    """
    tree = resolve_config(cfg.get(_KEY)) or {}
    if not tree:
        return None
    check_targets(tree, _KEY)
    if data.further_labels:
        raise ConfigError(
            f"data.further_labels={{{', '.join(data.further_labels)}}}: what trains beside the "
            "labels knows the masks alone; set supervision=supervised, or data.further_labels=null"
        )
    available: dict[str, Any] = {
        "net": net,
        "channels": data.channels,
        "ignore_index": data.labels.ignore_index,
        "seed": int(cfg.seed),
    }
    with keep_random_state():
        if "teacher" in tree:
            available["teacher"] = _load_teacher(tree.pop("teacher"), data)
        tree.pop("strong", None)  # of the images, see build_unlabelled
        supervision = instantiate_with_available(tree, _KEY, available)
    if not isinstance(supervision, Supervision):
        raise ConfigError(f"supervision._target_={tree['_target_']} makes no Supervision")
    return supervision


def _load_teacher(teacher: object, data: DataModule) -> FrozenNetwork:
    paths: list[Any] = teacher if isinstance(teacher, list) else [teacher]
    named = f"[{','.join(map(str, paths))}]" if isinstance(teacher, list) else str(teacher)
    where = f"supervision.teacher={named}"
    if not paths or not all(isinstance(path, str | int) for path in paths):
        raise ConfigError(f"{where}: must be a run folder or a .ckpt file, or a list of these")
    trained = load_one_or_several([str(path) for path in paths], key="supervision.teacher")
    difference = trained.labels.difference(data.labels)
    if difference is not None:
        raise ConfigError(
            f"{where}: its classes are not those of the data: {difference}; give a teacher that "
            "was trained on the same classes"
        )
    if trained.channels != data.channels:
        raise ConfigError(
            f"{where}: it takes images of {trained.channels} channels and the data have "
            f"{data.channels}; give a teacher for the same images"
        )
    if trained.further_inputs != get_further_inputs(data.source):
        raise ConfigError(
            f"{where}: its further inputs, or their ranges, are not those of data.further_inputs; "
            "give a teacher for the same images"
        )
    members = members_of(trained)
    for member in members:
        _warn_of_scale(f"supervision.teacher={member.path}", member, data)
    return FrozenNetwork([member.task for member in members], named, trained.sha256)


def _warn_of_scale(where: str, trained: TrainedModel, data: DataModule) -> None:
    """Say where the teacher sees images at another scale, or other shades, than in its training."""
    own = data.eval_short_side
    if trained.short_side != own:
        warn_of_data(
            f"{where}: it was trained for images with a short side of {trained.short_side} pixels "
            f"and sees those of {own} here, at which it may know less"
        )
    if trained.sample_range != data.sample_range:
        warn_of_data(
            f"{where}: it was trained with another range of samples than data.source.range"
        )
