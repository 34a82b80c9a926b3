"""The confusion matrix of every validation: as a file, and as a picture and tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pytorch_lightning import Callback, LightningModule, Trainer

from outtake.core.files import write_json
from outtake.drawing.charts import draw_confusion_matrix
from outtake.evaluation.metrics import class_metrics, scores
from outtake.training.media import Picture, Table, log_media
from outtake.training.task import SegmentationTask
from outtake.training.trainer_info import artifact_stem, validation_title


class ConfusionMatrixWriter(Callback):
    """Write the confusion matrix of every validation, from which all its scores follow.

    Args:
        folder: The folder of ``val_epoch_NNNN.json``, or of ``val_epoch_NNNN_step_NNNNNN.json``
            where an epoch has several validations; a resumed run writes the same files again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write one file."""
        if not trainer.is_global_zero or trainer.sanity_checking:
            return
        assert isinstance(pl_module, SegmentationTask) and pl_module.last_confusion is not None
        record = {
            "epoch": trainer.current_epoch,
            "step": trainer.global_step,
            "classes": list(pl_module.labels.names),
            "confusion": pl_module.last_confusion.tolist(),
        }
        write_json(self._folder / f"val_{artifact_stem(trainer)}.json", record)


class ValidationTables(Callback):
    """Log the confusion matrix of every validation, and the scores of each class."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log a picture and two tables."""
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


def _none_if_nan(value: float) -> float | None:
    return None if np.isnan(value) else value
