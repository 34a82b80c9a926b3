"""From a checkpoint back to a task: nothing but the file is needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from outtake import __version__
from outtake.build import build_net, check_targets, instantiate, plain_containers
from outtake.errors import CheckpointError, OuttakeError
from outtake.experiments.redact import redact
from outtake.labels import LabelSpace
from outtake.training.checkpoint_io import read_checkpoint, sha256
from outtake.training.losses import CrossEntropy
from outtake.training.task import SegmentationTask

FORMAT = 1


@dataclass(frozen=True)
class Trained:
    """A task with its weights, ready to predict.

    Attributes:
        task: in eval mode, on the device asked for.
        labels: its classes.
        config: the config that it was trained with, unresolved; ``paths`` are another machine's.
        path: the checkpoint file.
        sha256: its digest, hex.
        epoch: how many epochs were done, counted from 0.
        short_side: the network sees images whose shorter side has this many pixels; None for
            images as they are.
        channels: of the images.
    """

    task: SegmentationTask
    labels: LabelSpace
    config: DictConfig
    path: Path
    sha256: str
    epoch: int
    short_side: int | None
    channels: int


def make_record(cfg: DictConfig, labels: LabelSpace, channels: int) -> dict[str, Any]:
    """Return what goes into every checkpoint: plain containers, the config unresolved."""
    return {
        "format": FORMAT,
        "version": __version__,
        "config": redact(OmegaConf.to_yaml(cfg, resolve=False)),
        "labels": labels.to_dict(),
        "channels": channels,
        "short_side": plain_containers(cfg.data).get("short_side"),
    }


def find_checkpoint(place: str | Path) -> Path:
    """Return a checkpoint file, given itself or its run folder (then its best one).

    Raises:
        CheckpointError: there is none.
    """
    path = Path(place).expanduser()
    if not path.is_dir():
        return path
    tried = [path / "checkpoints" / "best.ckpt", path / "checkpoints" / "last.ckpt"]
    for candidate in tried:
        if candidate.is_file():
            return candidate
    raise CheckpointError(
        f"{path} holds no checkpoints/best.ckpt; give a run folder of train.py or a .ckpt file"
    )


def load_trained(place: str | Path, device: str | torch.device = "cpu") -> Trained:
    """Rebuild the trained task from a checkpoint alone.

    The config inside is untrusted: its targets pass the allowlist before anything is built, and
    the file is read as tensors and plain containers only.

    Args:
        place: a run folder or a ``.ckpt`` file.
        device: where the task shall be.

    Raises:
        CheckpointError: missing, truncated, altered, foreign, or its parts do not fit together.
        ForbiddenTargetError: its config names something that is not allowed.
    """
    path = find_checkpoint(place)
    checkpoint = read_checkpoint(path)
    record = checkpoint.get("outtake")
    if not isinstance(record, dict) or "state_dict" not in checkpoint:
        raise CheckpointError(f"{path} was not written by train.py: it has no record of its task")
    if record.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} has format {record.get('format')}, this version reads {FORMAT}"
        )
    cfg, labels = _read_record(path, record)
    channels = int(record["channels"])
    task = SegmentationTask(
        build_net(cfg.model, len(labels.names), channels),
        instantiate(cfg.normalize, channels=channels),
        labels,
        CrossEntropy(ignore_index=labels.ignore_index),
        channels_last=bool(cfg.channels_last),
    )
    try:
        task.load_state_dict(checkpoint["state_dict"])
    except RuntimeError as error:
        first = " ".join(str(error).splitlines()[1:2]).strip()
        raise CheckpointError(
            f"{path}: the weights do not fit the model or the {len(labels.names)} classes that it "
            f"names: {first}"
        ) from error
    short_side = record.get("short_side")
    return Trained(
        task=task.eval().to(device),
        labels=labels,
        config=cfg,
        path=path,
        sha256=sha256(path),
        epoch=int(checkpoint.get("epoch", 0)),
        short_side=None if short_side is None else int(short_side),
        channels=channels,
    )


def _read_record(path: Path, record: dict[str, Any]) -> tuple[DictConfig, LabelSpace]:
    try:
        cfg = OmegaConf.create(str(record["config"]))
        labels = LabelSpace.from_dict(record["labels"])
        check_targets(OmegaConf.to_container(cfg, resolve=False))
        # The weights are in the checkpoint: what they began from is not needed again.
        if cfg.model.get("encoder_weights") is not None:
            cfg.model.encoder_weights = None
    except OuttakeError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OmegaConfBaseException) as error:
        raise CheckpointError(f"{path}: its record can not be read: {error}") from error
    except yaml.YAMLError as error:
        raise CheckpointError(f"{path}: its config is not YAML") from error
    assert isinstance(cfg, DictConfig)
    return cfg, labels
