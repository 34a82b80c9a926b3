"""What the network is given: augmented samples, and how frequent the classes are."""

from __future__ import annotations

import numpy as np
from pytorch_lightning import Callback, LightningModule, Trainer

from outtake.core.types import Batch, Frame
from outtake.core.validate import check_number
from outtake.drawing.charts import draw_bar_chart
from outtake.drawing.label_pictures import draw_contact_sheet, overlay_labels
from outtake.training.media import Picture, Table, log_media
from outtake.training.sample_view import to_rgb
from outtake.training.task import SegmentationTask
from outtake.training.trainer_info import find_data_module


class AugmentedSamples(Callback):
    """Log the first training batch once: images as the network sees them, with their masks.

    Args:
        count: The largest number of samples.
    """

    def __init__(self, count: int = 8) -> None:
        check_number("callbacks.augmented.count", count, 0, whole=True)
        self.count = count

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Log the batch before the first step; a resumed run has logged it already."""
        if trainer.global_step or batch_idx or not trainer.is_global_zero or self.count <= 0:
            return
        assert isinstance(pl_module, SegmentationTask)
        palette = pl_module.labels.palette()
        cells: list[Frame] = []
        for image, mask in zip(batch["image"][: self.count], batch["mask"], strict=False):
            picture = to_rgb(image)
            cells += [
                picture,
                overlay_labels(
                    picture,
                    mask.cpu().numpy().astype(np.uint8),
                    palette,
                    0.6,
                    background=pl_module.labels.background_id,
                ),
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
    """Log once the share of each class in the labelled pixels of training and validation."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log a chart and a table; a resumed run has logged them already."""
        data = find_data_module(trainer)
        if trainer.global_step or data is None:
            return
        assert isinstance(pl_module, SegmentationTask)
        labels = pl_module.labels
        shares = {split: data.class_frequencies(split).tolist() for split in ("train", "val")}
        chart = draw_bar_chart(shares, labels.names, labels.colours, "Share of the labelled pixels")
        log_media(trainer, Picture("data/class_frequencies", "class_frequencies.png", chart))
        rows = list(zip(labels.names, *shares.values(), strict=True))
        log_media(trainer, Table("data/frequencies", ("class", *shares), rows, chart="bar"))
