"""One sample as it is shown: its image at the size of its label, its truth, its prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pytorch_lightning import Trainer

from outtake.core.types import Batch, Frame, LabelMap
from outtake.data.datamodule import DataModule
from outtake.drawing.label_pictures import Palette, colourise, overlay_labels
from outtake.training.media import Overlay


@dataclass(frozen=True)
class SampleView:
    """A sample of validation.

    Attributes:
        name: its id in the data set.
        image: uint8 (H, W, 3), at the size of the label.
        truth: uint8 (H, W).
        prediction: uint8 (H, W).
    """

    name: str
    image: Frame
    truth: LabelMap
    prediction: LabelMap

    def columns(self, palette: Palette) -> Sequence[Frame]:
        """Return three pictures: the image, the truth, the prediction over the image."""
        painted = overlay_labels(self.image, self.prediction, palette)
        return [self.image, colourise(self.truth, palette), painted]

    def to_overlay(self) -> Overlay:
        """Return image and masks apart."""
        return Overlay(self.name, self.image, {"truth": self.truth, "prediction": self.prediction})


def sample_view(
    trainer: Trainer, batch: Batch, predicted: torch.Tensor, position: int
) -> SampleView:
    """Take one sample out of a batch of validation.

    Args:
        trainer: its data module knows what the sample is called.
        batch: of validation.
        predicted: class ids (B, H, W).
        position: in the batch.
    """
    truth = batch["mask"][position].cpu().numpy().astype(np.uint8)
    guess = predicted[position].cpu().numpy().astype(np.uint8)
    image = to_rgb(batch["image"][position])
    rows = (np.arange(truth.shape[0]) * image.shape[0] // truth.shape[0])[:, None]
    columns = (np.arange(truth.shape[1]) * image.shape[1] // truth.shape[1])[None]
    name = sample_id(trainer, "val", int(batch["index"][position]))
    return SampleView(name, np.ascontiguousarray(image[rows, columns]), truth, guess)


def to_rgb(image: torch.Tensor) -> Frame:
    """Return an image of a batch, uint8 (C, h, w) with any channels, as RGB (h, w, 3)."""
    picture = image.cpu().permute(1, 2, 0).numpy()
    picture = picture[..., :3] if picture.shape[2] >= 3 else np.repeat(picture[..., :1], 3, 2)
    return np.ascontiguousarray(picture)


def sample_id(trainer: Trainer, split: str, index: int) -> str:
    """Return what the data set calls a sample; its number where it has no names."""
    data = trainer.datamodule  # type: ignore[attr-defined]
    return data.report(split).samples[index].id if isinstance(data, DataModule) else str(index)
