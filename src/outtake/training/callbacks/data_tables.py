"""What is drawn of a run's data and scores: each once, or once a validation."""

from __future__ import annotations

from typing import Any

import numpy as np
from pytorch_lightning import Callback, LightningModule, Trainer

from outtake.core.types import Batch, Frame
from outtake.core.validate import check_number
from outtake.data.datamodule import DataModule
from outtake.drawing.charts import bar_chart, confusion_chart
from outtake.drawing.label_pictures import contact_sheet, overlay
from outtake.evaluation.metrics import scores
from outtake.training.artifact_names import file_part, in_words
from outtake.training.media import Picture, Table, show
from outtake.training.sample_view import rgb
from outtake.training.task import SegmentationTask


class ValidationTables(Callback):
    """Show the confusion matrix of every validation, and the scores of each class."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show a picture and two tables."""
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, SegmentationTask) and pl_module.counted is not None
        confusion, names = pl_module.counted, pl_module.labels.names
        title = f"Share of each class's pixels, per cent, {in_words(trainer)}"
        chart = confusion_chart(confusion, names, title)
        show(trainer, Picture("val/confusion", f"confusion_{file_part(trainer)}.png", chart))
        cells = [
            (truth, predicted, int(confusion[row, column]))
            for row, truth in enumerate(names)
            for column, predicted in enumerate(names)
        ]
        columns = ("truth", "prediction", "pixels")
        show(trainer, Table("val/confusion_matrix", columns, cells, chart="matrix"))
        scored = scores(confusion, names)
        kinds = ("iou", "dice", "precision", "recall")
        rows = [
            (name, *(_defined(scored[kind][name]) for kind in kinds), int(pixels))
            for name, pixels in zip(names, confusion.sum(1), strict=True)
        ]
        show(trainer, Table("val/classes", ("class", *kinds, "pixels"), rows))


class AugmentedSamples(Callback):
    """Show the first training batch once: images as the network is given them, with their masks.

    Args:
        count: how many of its samples, at most.
    """

    def __init__(self, count: int = 8) -> None:
        check_number("callbacks.augmented.count", count, 0, whole=True)
        self.count = count

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Show it before the first step; a run that goes on has shown it already."""
        if trainer.global_step or batch_idx or not trainer.is_global_zero or self.count <= 0:
            return
        assert isinstance(pl_module, SegmentationTask)
        palette = pl_module.labels.palette()
        cells: list[Frame] = []
        for image, mask in zip(batch["image"][: self.count], batch["mask"], strict=False):
            picture = rgb(image)
            cells += [picture, overlay(picture, mask.cpu().numpy().astype(np.uint8), palette, 0.6)]
        across = 4 if len(cells) > 2 else 2
        sheet = contact_sheet(
            [cells[at : at + across] for at in range(0, len(cells), across)],
            ["as the network sees it", "with its mask"] * (across // 2),
            title="Augmented training samples",
            cell_width_px=240,
        )
        show(trainer, Picture("train/augmented", "augmented.png", sheet))


class ClassFrequencies(Callback):
    """Show once how much of the labelled pixels each class has, in training and validation."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show a chart and a table; a run that goes on has shown them already."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        if trainer.global_step or not isinstance(data, DataModule):
            return
        assert isinstance(pl_module, SegmentationTask)
        labels = pl_module.labels
        shares = {split: data.class_frequencies(split).tolist() for split in ("train", "val")}
        chart = bar_chart(shares, labels.names, labels.colours, "Share of the labelled pixels")
        show(trainer, Picture("data/class_frequencies", "class_frequencies.png", chart))
        rows = list(zip(labels.names, *shares.values(), strict=True))
        show(trainer, Table("data/frequencies", ("class", *shares), rows, chart="bar"))


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else value
