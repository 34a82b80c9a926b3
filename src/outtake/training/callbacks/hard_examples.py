"""The validation images that the network does worst on."""

from __future__ import annotations

from typing import Any

import numpy as np
from pytorch_lightning import Callback, LightningModule, Trainer

from outtake.core.types import Batch
from outtake.core.validate import check_number
from outtake.drawing.label_pictures import contact_sheet
from outtake.evaluation.per_image_confusion import count_images, margins, scores_of
from outtake.training.artifact_names import file_part, in_words
from outtake.training.collectives import gathered
from outtake.training.media import Picture, show
from outtake.training.sample_view import Shown, shown_sample
from outtake.training.task import SegmentationTask

_NAME_LETTERS = 28
_CELL_PX = 220


class WorstImages(Callback):
    """Show the images of every validation with the lowest mIoU of their own, worst first.

    The mean is over the classes that are in the image or were predicted in it; images without a
    labelled pixel are left out.

    Args:
        count: how many.
    """

    def __init__(self, count: int = 6) -> None:
        check_number("callbacks.worst.count", count, 0, whole=True)
        self.count = count
        self._worst: list[tuple[float, Shown]] = []

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
        counted = count_images(outputs, batch["mask"], len(labels.names), labels.ignore_index)
        miou = scores_of(margins(counted.cpu().numpy())).miou
        for position in np.argsort(miou, kind="stable")[: self.count]:
            score = float(miou[position])
            full = len(self._worst) == self.count
            if np.isnan(score) or (full and score >= self._worst[-1][0]):
                break  # sorted: NaN comes last
            self._worst.append((score, shown_sample(trainer, batch, outputs, int(position))))
            self._worst.sort(key=lambda each: each[0])
            del self._worst[self.count :]

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the sheet."""
        # Each rank has seen images that no other has.
        parts, self._worst = gathered(self._worst), []
        every = [each for part in parts for each in part]
        worst = sorted(every, key=lambda each: each[0])[: self.count]
        if not worst:
            return
        assert isinstance(pl_module, SegmentationTask)
        palette = pl_module.labels.palette()
        sheet = contact_sheet(
            [each.columns(palette) for _, each in worst],
            ["image", "truth", "prediction"],
            row_titles=[f"{score:.3f}  {_short(each.name)}" for score, each in worst],
            title=f"Lowest mIoU of an image, {in_words(trainer)}",
            cell_width_px=_CELL_PX,  # small: there is one of these for each validation
        )
        picture = Picture(
            "val/worst",
            f"worst_{file_part(trainer)}.png",
            sheet,
            tuple(each.overlay() for _, each in worst),
            pl_module.labels.names,
        )
        show(trainer, picture)


def _short(name: str) -> str:
    return name if len(name) <= _NAME_LETTERS else "..." + name[3 - _NAME_LETTERS :]
