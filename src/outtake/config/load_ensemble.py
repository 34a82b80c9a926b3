"""One checkpoint or several: an ensemble of runs, such as folds or seeds."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from outtake.config.checkpoint_paths import checkpoint_paths
from outtake.config.load_trained import load_trained
from outtake.config.trained_model import TrainedModel
from outtake.core.errors import CheckpointError, ConfigError, LabelSpaceError
from outtake.core.labels import LabelSpace
from outtake.data.further_inputs import FurtherInput
from outtake.data.labelled_clip import LabelledClip
from outtake.data.sample_range import SampleRange
from outtake.training.checkpoint_files import list_fold_folders

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedEnsemble:
    """Several trained networks of the same classes, whose probabilities are averaged.

    What it shares with :class:`outtake.config.trained_model.TrainedModel` has the same meaning;
    what only one checkpoint can have (``config``, ``path``, ``run_folder``) is of the first.

    Attributes:
        members: The checkpoints, at least two.
    """

    members: tuple[TrainedModel, ...]

    @property
    def labels(self) -> LabelSpace:
        """The classes, which all have."""
        return self.members[0].labels

    @property
    def channels(self) -> int:
        """The number of channels of the images."""
        return self.members[0].channels

    @property
    def sample_range(self) -> SampleRange | None:
        """The range of samples that all were trained with."""
        return self.members[0].sample_range

    @property
    def further_inputs(self) -> tuple[FurtherInput, ...]:
        """The inputs beside the image, which all have."""
        return self.members[0].further_inputs

    @property
    def clip(self) -> LabelledClip | None:
        """The one clip that the first was trained on; None for none."""
        return self.members[0].clip

    @property
    def label_map(self) -> str | None:
        """The further label map that all give; None for that of the masks."""
        return self.members[0].label_map

    @property
    def further_labels(self) -> tuple[str, ...]:
        """The names of the further label maps that all have, with the same classes."""
        maps = [_find_label_map_spaces(member) for member in self.members]
        return tuple(
            name
            for name, space in maps[0].items()
            if all(name in other and space.difference(other[name]) is None for other in maps[1:])
        )

    @property
    def short_side(self) -> int | None:
        """The shorter side that all see; None where they differ: each resizes for itself."""
        sides = {member.short_side for member in self.members}
        return sides.pop() if len(sides) == 1 else None

    @property
    def config(self) -> DictConfig:
        """The config of the first."""
        return self.members[0].config

    @property
    def path(self) -> Path:
        """The file of the first."""
        return self.members[0].path

    @property
    def run_folder(self) -> Path:
        """The run folder of the first."""
        return self.members[0].run_folder

    @property
    def sha256(self) -> str:
        """A digest of those of all files, in hex."""
        return hashlib.sha256("".join(each.sha256 for each in self.members).encode()).hexdigest()

    def describe(self) -> dict[str, Any]:
        """Return what a record says of the checkpoints."""
        return {
            "checkpoint": ", ".join(str(member.path) for member in self.members),
            "checkpoint_sha256": self.sha256,
            "members": [
                {**member.describe(), "short_side": member.short_side} for member in self.members
            ],
        }


Trained = TrainedModel | TrainedEnsemble


def _find_label_map_spaces(member: TrainedModel) -> dict[str, LabelSpace]:
    maps = member.task.label_maps
    return {} if maps is None else {name: each.labels for name, each in maps.further.items()}


def members_of(trained: Trained) -> tuple[TrainedModel, ...]:
    """Return the checkpoints of an ensemble, or the one that it is."""
    return trained.members if isinstance(trained, TrainedEnsemble) else (trained,)


def log_left_out_label_maps(trained: Trained) -> None:
    """Say which further label maps of an ensemble's networks are no result of the ensemble."""
    names = dict.fromkeys(name for each in members_of(trained) for name in each.further_labels)
    for name in names:
        if name not in trained.further_labels:
            log.info(
                "label map %s: left out, not all networks of the ensemble have it with the same "
                "classes", name,
            )  # fmt: skip


def load_one_or_several(
    checkpoint: str | Sequence[str],
    device: str | torch.device = "cpu",
    key: str = "checkpoint",
    label_map: str | None = None,
) -> Trained:
    """Load a checkpoint, or several as an ensemble.

    Args:
        checkpoint: A run folder, a ``.ckpt`` or a ``.zip``; the folder of a training of folds,
            which stands for all of its runs; or a list of these.
        device: The device on which the tasks are placed.
        key: The config key that named them, for messages.
        label_map: The further label map that they are to give; None for that of the masks.

    Raises:
        CheckpointError: One cannot be loaded, or the same network is named twice.
        LabelSpaceError: They differ in classes, channels or the range of samples.
    """
    places = [each for path in checkpoint_paths(checkpoint) for each in list_fold_folders(path)]
    members = tuple(load_trained(place, device, label_map) for place in places)
    if len(members) == 1:
        return members[0]
    for index, member in enumerate(members[1:], 1):
        _check_fits(members[:index], member, key)
    return TrainedEnsemble(members)


def _check_fits(before: Sequence[TrainedModel], member: TrainedModel, key: str) -> None:
    first = before[0]
    double = next((each for each in before if each.sha256 == member.sha256), None)
    if double is not None:
        raise CheckpointError(
            f"{key}: {double.path} and {member.path} are the same network; name each once"
        )
    difference = first.labels.difference(member.labels)
    if difference is not None:
        raise LabelSpaceError(
            f"{key}: {first.path} (there) and {member.path} (here) have other classes, and only "
            f"networks of the same can be averaged: {difference}"
        )
    if member.channels != first.channels:
        raise LabelSpaceError(
            f"{key}: {first.path} takes {first.channels} channels and {member.path} "
            f"{member.channels}; name networks of the same images"
        )
    if member.further_inputs != first.further_inputs:
        raise LabelSpaceError(
            f"{key}: {first.path} and {member.path} have other further inputs "
            f"({first.further_inputs} and {member.further_inputs}); name networks of the same "
            "images"
        )
    if member.sample_range != first.sample_range:
        raise LabelSpaceError(
            f"{key}: {first.path} and {member.path} were trained on samples of other ranges "
            f"({first.sample_range} and {member.sample_range}); name networks of the same images"
        )


def with_short_side(trained: Trained, short_side: int | None) -> Trained:
    """Return the same networks for images of another shorter side; None changes nothing."""
    if short_side is None:
        return trained
    if isinstance(trained, TrainedEnsemble):
        members = tuple(replace(member, short_side=short_side) for member in trained.members)
        return TrainedEnsemble(members)
    return replace(trained, short_side=short_side)


def require_one(trained: Trained, program: str) -> TrainedModel:
    """Return the only checkpoint.

    Raises:
        ConfigError: There are several.
    """
    if isinstance(trained, TrainedModel):
        return trained
    names = ", ".join(str(member.path) for member in trained.members)
    raise ConfigError(
        f"{program} takes one network, not an ensemble ({names}): run it for each, or make one "
        "network of them by `outtake soup`, where they began from the same weights"
    )
