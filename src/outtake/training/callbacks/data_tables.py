"""What is drawn of a run's data and scores: each once, or once a validation."""

from __future__ import annotations

from typing import Any

import numpy as np
from pytorch_lightning import Callback, LightningModule, Trainer

from outtake.core.types import Batch, Frame
from outtake.core.validate import check_number
from outtake.data.datamodule import DataModule
from outtake.drawing.charts import draw_bar_chart, draw_confusion_matrix
from outtake.drawing.label_pictures import draw_contact_sheet, overlay_labels
from outtake.evaluation.metrics import class_metrics, scores
from outtake.training.artifact_names import artifact_stem, validation_title
from outtake.training.media import Picture, Table, log_media
from outtake.training.sample_view import to_rgb
from outtake.training.task import SegmentationTask


class ValidationTables(Callback):
    """Show the confusion matrix of every validation, and the scores of each class."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show a picture and two tables."""
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, SegmentationTask) and pl_module.last_confusion is not None
        confusion, names = pl_module.last_confusion, pl_module.labels.names
        title = f"Share of each class's pixels, per cent, {validation_title(trainer)}"
        chart = draw_confusion_matrix(confusion, names, title)
        log_media(
            trainer, Picture("val/confusion", f"confusion_{artifact_stem(trainer)}.png", chart)
        )
        cells = [
            (truth, predicted, int(confusion[row, column]))
            for row, truth in enumerate(names)
            for column, predicted in enumerate(names)
        ]
        columns = ("truth", "prediction", "pixels")
        log_media(trainer, Table("val/confusion_matrix", columns, cells, chart="matrix"))
        scored = scores(confusion, names)
        kinds = [metric.key for metric in class_metrics()]
        rows = [
            (name, *(_none_if_nan(scored[kind][name]) for kind in kinds), int(pixels))
            for name, pixels in zip(names, confusion.sum(1), strict=True)
        ]
        log_media(trainer, Table("val/classes", ("class", *kinds, "pixels"), rows))


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
            picture = to_rgb(image)
            cells += [
                picture,
                overlay_labels(picture, mask.cpu().numpy().astype(np.uint8), palette, 0.6),
            ]
        across = 4 if len(cells) > 2 else 2
        sheet = draw_contact_sheet(
            [cells[at : at + across] for at in range(0, len(cells), across)],
            ["as the network sees it", "with its mask"] * (across // 2),
            title="Augmented training samples",
            cell_width_px=240,
        )
        log_media(trainer, Picture("train/augmented", "augmented.png", sheet))


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
        chart = draw_bar_chart(shares, labels.names, labels.colours, "Share of the labelled pixels")
        log_media(trainer, Picture("data/class_frequencies", "class_frequencies.png", chart))
        rows = list(zip(labels.names, *shares.values(), strict=True))
        log_media(trainer, Table("data/frequencies", ("class", *shares), rows, chart="bar"))


def _none_if_nan(value: float) -> float | None:
    return None if np.isnan(value) else value
