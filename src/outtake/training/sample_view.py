"""One validation sample for display: its image at the size of its label, truth, prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pytorch_lightning import Trainer

from outtake.core.labels import LabelSpace
from outtake.core.types import Batch, Frame, LabelMap
from outtake.drawing.label_pictures import colourise, overlay_labels
from outtake.training.media import Overlay
from outtake.training.trainer_info import find_data_module


@dataclass(frozen=True)
class SampleView:
    """A sample of validation.

    Attributes:
        name: The id of the sample in the data set.
        image: The image at the size of the label, uint8 (H, W, 3).
        truth: The true labels, uint8 (H, W).
        prediction: The predicted labels, uint8 (H, W).
    """

    name: str
    image: Frame
    truth: LabelMap
    prediction: LabelMap

    def columns(self, labels: LabelSpace) -> Sequence[Frame]:
        """Return three pictures: the image, the truth, the prediction over the image."""
        palette, background = labels.palette(), labels.background_id
        painted = overlay_labels(self.image, self.prediction, palette, background=background)
        return [self.image, colourise(self.truth, palette), painted]

    def to_overlay(self) -> Overlay:
        """Return the image with its masks apart."""
        return Overlay(self.name, self.image, {"truth": self.truth, "prediction": self.prediction})


def sample_view(
    trainer: Trainer, batch: Batch, predicted: torch.Tensor, position: int
) -> SampleView:
    """Take one sample out of a batch of validation.

    Args:
        trainer: The trainer, whose data module knows the id of the sample.
        batch: The batch of validation.
        predicted: The predicted class ids, (B, H, W).
        position: The position of the sample in the batch.
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
    """Return the id of a sample in its data set; its index where samples have no ids."""
    data = find_data_module(trainer)
    return str(index) if data is None else data.report(split).samples[index].id
