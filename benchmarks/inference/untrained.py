"""Checkpoints with random weights, for benchmarks that measure time alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from pytorch_lightning import seed_everything
from torch.utils.flop_counter import FlopCounterMode

from outtake.config.build_network import build_net
from outtake.config.compose import compose
from outtake.config.instantiate import instantiate
from outtake.config.load_trained import load_trained, make_checkpoint_record
from outtake.config.trained_model import TrainedModel
from outtake.data.camvid import CamVid
from outtake.training.checkpoint_files import save_checkpoint
from outtake.training.losses.cross_entropy import CrossEntropy
from outtake.training.task import SegmentationTask

CHANNELS = 3


def untrained_checkpoint(path: Path, overrides: Sequence[str]) -> TrainedModel:
    """Write a checkpoint of the untrained network of ``train.py``, and load it.

    Args:
        path: The ``.ckpt`` file.
        overrides: The overrides of ``conf/train.yaml``.
    """
    seed_everything(0, verbose=False)
    # The classes of CamVid; none of its files is read.
    cfg = compose("train", ["data=camvid", "data.root=.", *overrides])
    labels = CamVid(".").labels
    task = SegmentationTask(
        build_net(cfg.model, len(labels.names), CHANNELS),
        instantiate(cfg.normalize, channels=CHANNELS),
        labels,
        CrossEntropy(ignore_index=labels.ignore_index),
    )
    record = make_checkpoint_record(cfg, labels, CHANNELS)
    save_checkpoint({"epoch": 0, "state_dict": task.state_dict(), "outtake": record}, path)
    return load_trained(path)


def gflop(trained: TrainedModel, size: tuple[int, int]) -> float:
    """Return the work of one frame at the network's resolution; an addition counts as one."""
    image = torch.zeros((1, CHANNELS, *size), dtype=torch.uint8)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        trained.task(image)
    return float(counter.get_total_flops()) / 1e9
