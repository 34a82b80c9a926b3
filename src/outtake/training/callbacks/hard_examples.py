"""Hard examples: the validation images with the lowest mIoU."""

from __future__ import annotations

from typing import Any

import numpy as np
from pytorch_lightning import Callback, LightningModule, Trainer

from outtake.core.types import Batch
from outtake.core.validate import check_number
from outtake.drawing.label_pictures import draw_contact_sheet
from outtake.evaluation.confusion_matrix import per_image_confusion
from outtake.evaluation.metrics import score_counts, tp_true_pred_counts
from outtake.training.collectives import all_gather
from outtake.training.media import Picture, log_media
from outtake.training.sample_view import SampleView, sample_view
from outtake.training.task import SegmentationTask
from outtake.training.trainer_info import artifact_stem, validation_title

_MAX_NAME_CHARS = 28
_CELL_WIDTH_PX = 220


class HardExamples(Callback):
    """Log the images of every validation with the lowest mIoU, worst first.

    The mean is over the classes that are in the image or were predicted in it. Images without a
    labelled pixel are left out.

    Args:
        count: The number of images.
    """

    def __init__(self, count: int = 6) -> None:
        check_number("callbacks.worst.count", count, 0, whole=True)
        self.count = count
        self._worst: list[tuple[float, SampleView]] = []

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Score each image, and keep those that are among the worst so far."""
        if self.count <= 0 or trainer.sanity_checking:
            return
        assert isinstance(pl_module, SegmentationTask)
        labels = pl_module.labels
        counted = per_image_confusion(
            outputs, batch["mask"], len(labels.names), labels.ignore_index
        )
        miou = score_counts(tp_true_pred_counts(counted.cpu().numpy()))["miou"]
        for position in np.argsort(miou, kind="stable")[: self.count]:
            score = float(miou[position])
            full = len(self._worst) == self.count
            if np.isnan(score) or (full and score >= self._worst[-1][0]):
                break  # sorted: NaN comes last
            self._worst.append((score, sample_view(trainer, batch, outputs, int(position))))
            self._worst.sort(key=lambda each: each[0])
            del self._worst[self.count :]

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the contact sheet."""
        # Each rank has seen images that no other has.
        parts, self._worst = all_gather(self._worst), []
        every = [each for part in parts for each in part]
        worst = sorted(every, key=lambda each: each[0])[: self.count]
        if not worst:
            return
        assert isinstance(pl_module, SegmentationTask)
        labels = pl_module.labels
        sheet = draw_contact_sheet(
            [each.columns(labels) for _, each in worst],
            ["image", "truth", "prediction"],
            row_titles=[f"{score:.3f}  {_shorten_name(each.name)}" for score, each in worst],
            title=f"Lowest mIoU of an image, {validation_title(trainer)}",
            cell_width_px=_CELL_WIDTH_PX,  # small: there is one of these for each validation
        )
        picture = Picture(
            "val/worst",
            f"worst_{artifact_stem(trainer)}.png",
            sheet,
            tuple(each.to_overlay() for _, each in worst),
            pl_module.labels.names,
        )
        log_media(trainer, picture)


def _shorten_name(name: str) -> str:
    return name if len(name) <= _MAX_NAME_CHARS else "..." + name[3 - _MAX_NAME_CHARS :]
