"""Evaluate: a checkpoint goes in, its scores on a split come out."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf, open_dict
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table
from torch.utils.data import DataLoader

from outtake.apps.train import quiet_libraries
from outtake.build import build_data
from outtake.checkpoint import Trained, load_trained
from outtake.data.datamodule import DataModule
from outtake.data.dataset import Sample
from outtake.errors import LabelSpaceError
from outtake.experiments.redact import redact_tree
from outtake.files import check_folder, write_json
from outtake.inference.device import resolve_device
from outtake.training.metrics import Confusion, ConfusionMatrix, predict_labels, scores


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation gives.

    Attributes:
        confusion: int64 (classes, classes), rows truth, columns prediction.
        images: how many were scored.
        seconds: wall time of loading, predicting and counting.
    """

    confusion: Confusion
    images: int
    seconds: float


def evaluate(cfg: DictConfig) -> Path:
    """Score a checkpoint as ``conf/evaluate.yaml`` says, and write ``metrics.json``.

    Returns:
        The path of ``metrics.json``.

    Raises:
        OuttakeError: no such checkpoint, data or device, or classes that do not agree.
    """
    quiet_libraries()
    device = resolve_device(str(cfg.device))
    trained = load_trained(cfg.checkpoint, device)
    data = data_for(trained, cfg)
    split = str(cfg.split)
    loader = data.eval_loader(split)
    name = data_name(trained, cfg)
    target = Path(cfg.output or _default_output(trained.path, name, split)).expanduser()
    check_folder(target)
    done = count(trained, loader, device, flip=bool(cfg.flip))
    record = make_metrics(trained, done, name, split, data.report(split).fingerprint)
    record["flip"] = bool(cfg.flip)
    write_json(target / "metrics.json", redact_tree(record))
    print_scores(record, Console())
    print(f"written to {target / 'metrics.json'}")
    return target / "metrics.json"


def data_for(trained: Trained, cfg: DictConfig) -> DataModule:
    """Build the checkpoint's own data, or that which the command line names.

    Raises:
        LabelSpaceError: the data's classes are not the checkpoint's.
    """
    own = trained.config.copy()
    with open_dict(own):
        own.paths = cfg.paths
        if cfg.get("data") is not None:
            whole = "source" in cfg.data
            # Without a source, +data.root=PATH only says where the checkpoint's own data is now.
            own.data = cfg.data if whole else OmegaConf.merge(own.data, cfg.data)
            if whole:
                # The network keeps the resolution that it was validated at.
                own.data.short_side, own.data.eval_short_side = trained.short_side, None
        own.data.cache = False
        if cfg.get("workers") is not None:
            own.data.workers = cfg.workers
        own.augment = {"steps": {}}
    data = build_data(own)
    if data.labels.names != trained.labels.names:
        raise LabelSpaceError(
            f"{trained.path} was trained on the classes {', '.join(trained.labels.names)}, the "
            f"data has {', '.join(data.labels.names)}; name data with the same classes"
        )
    if data.channels != trained.channels:
        raise LabelSpaceError(
            f"{trained.path} was trained on {trained.channels} channels, the data has "
            f"{data.channels}"
        )
    return data


@torch.inference_mode()
def count(
    trained: Trained,
    loader: DataLoader[Sample],
    device: torch.device,
    *,
    flip: bool = False,
    progress: bool = True,
) -> Evaluation:
    """Predict a split and count it at the labels' own resolution; ``flip`` as in the task."""
    confusion = ConfusionMatrix(len(trained.labels.names), trained.labels.ignore_index).to(device)
    images = 0
    began_s = time.perf_counter()
    for batch in track(loader, "evaluating", disable=not progress, transient=True):
        mask = batch["mask"].to(device)
        size = (int(mask.shape[-2]), int(mask.shape[-1]))
        logits = trained.task.predict(batch["image"].to(device), size, flip=flip)
        confusion.update(predict_labels(logits), mask)
        images += len(mask)
    return Evaluation(confusion.counts(), images, time.perf_counter() - began_s)


def make_metrics(
    trained: Trained, done: Evaluation, data: str, split: str, fingerprint: str
) -> dict[str, Any]:
    """Return the record of ``metrics.json``."""
    return {
        "checkpoint": str(trained.path),
        "checkpoint_sha256": trained.sha256,
        "epoch": trained.epoch,
        "data": data,
        "split": split,
        "data_fingerprint": fingerprint,
        "images": done.images,
        "images_per_second": done.images / done.seconds,
        "classes": list(trained.labels.names),
        **scores(done.confusion, trained.labels.names),
        "confusion": done.confusion.tolist(),
    }


def print_scores(record: dict[str, Any], console: Console) -> None:
    """Print the scores as a table."""
    table = Table(title=f"{record['data']} {record['split']}: {record['images']} images")
    for heading in ("class", "IoU", "precision", "recall", "Dice"):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    for name in record["classes"]:
        values = (record[key][name] for key in ("iou", "precision", "recall", "dice"))
        table.add_row(
            escape(name), *("-" if value != value else f"{value:.4f}" for value in values)
        )
    console.print(table)
    console.print(
        f"mIoU {record['miou']:.4f} over {record['classes_scored']} classes, "
        f"pixel accuracy {record['pixel_accuracy']:.4f}, "
        f"mean accuracy {record['mean_accuracy']:.4f}, fwIoU {record['fwiou']:.4f}, "
        f"{record['images_per_second']:.1f} images/s"
    )


def data_name(trained: Trained, cfg: DictConfig) -> str:
    """Return the name of the data that is scored."""
    named = (cfg.get("data") or {}).get("name") or trained.config.data.get("name") or "data"
    # It becomes a folder, and may come out of somebody's checkpoint.
    return re.sub(r"[^\w-]+", "_", str(named))


def _default_output(checkpoint: Path, name: str, split: str) -> Path:
    run = checkpoint.parent.parent if checkpoint.parent.name == "checkpoints" else checkpoint.parent
    which = "" if checkpoint.stem == "best" else f"-{checkpoint.stem}"
    return run / "evaluation" / f"{name}-{split}{which}"
