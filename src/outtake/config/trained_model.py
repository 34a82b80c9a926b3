"""A network that was trained, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from outtake.core.labels import LabelSpace
from outtake.data.further_inputs import FurtherInput
from outtake.data.labelled_clip import LabelledClip
from outtake.data.sample_range import SampleRange
from outtake.training.task import SegmentationTask

DIVISION_KEYS = ("folds", "fold", "fold_by")


@dataclass(frozen=True)
class TrainedModel:
    """A task with its weights, ready to predict.

    Attributes:
        task: The task, in eval mode, on the device that was asked for.
        labels: Its classes.
        config: The config that it was trained with, unresolved; ``paths`` are another machine's.
        model_config: The ``model`` of that config, with the weights that training began from,
            which are left out of ``config`` because they are not needed again.
        path: The checkpoint file.
        sha256: The digest of that file, in hex; of a further label map, one of both.
        epoch: The number of epochs that were done, counted from 0.
        short_side: The length in pixels of the shorter side of the images that the network sees;
            None for images as they are.
        channels: The number of channels of the images.
        sample_range: The values of the training images' samples that became 0 and 255; None for
            samples of 8 bits.
        further_inputs: The inputs beside the image, whose channels are the last ones.
        clip: The one clip that it was trained on, with its labels; None where it was trained on
            pictures, or on several clips.
        refine: The config of what improves its labels, where one was exported with it.
        label_map: The further label map that it gives; None for that of the masks.
        further_labels: The names of all further label maps.
        divisions: How the images of its training were divided into ``train`` and ``val``, as
            :func:`describe_division` says it; of a mean of networks, that of each, once.
    """

    task: SegmentationTask
    labels: LabelSpace
    config: DictConfig
    model_config: Mapping[str, Any]
    path: Path
    sha256: str
    epoch: int
    short_side: int | None
    channels: int
    sample_range: SampleRange | None = None
    further_inputs: tuple[FurtherInput, ...] = ()
    clip: LabelledClip | None = None
    refine: Mapping[str, Any] | None = None
    label_map: str | None = None
    further_labels: tuple[str, ...] = ()
    divisions: tuple[str, ...] = ()

    @property
    def run_folder(self) -> Path:
        """The run folder of the checkpoint, or the folder of a file that lies outside one."""
        return find_run_folder(self.path)

    def describe(self) -> dict[str, Any]:
        """Return what a record says of the checkpoint."""
        return {
            "checkpoint": str(self.path),
            "checkpoint_sha256": self.sha256,
            "epoch": self.epoch,
        }


def describe_division(config: DictConfig) -> str:
    """Return what divides the images of a training into parts, beside the data set itself."""
    return ", ".join(f"{key}={config.get(key)}" for key in DIVISION_KEYS)


def find_run_folder(checkpoint: Path) -> Path:
    """Return the run folder that holds a checkpoint, or the folder of a file outside of one."""
    folder = checkpoint.parent
    return folder.parent if folder.name == "checkpoints" else folder
