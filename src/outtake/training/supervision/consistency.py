"""Training on images without labels: what is seen in a weak view must be seen in strong ones."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from outtake.core.types import Batch, UnlabelledBatch
from outtake.core.validate import check_number
from outtake.training.supervision.distillation_terms import mean_of_batch
from outtake.training.supervision.feature_maps import (
    count_channels,
    dropped_channels,
    find_feature_module,
)
from outtake.training.supervision.moving_teacher import MovingTeacher
from outtake.training.supervision.unlabelled_batch import unlabelled_part
from outtake.training.supervision_protocol import Supervision, TrainingLoss
from outtake.training.task import SegmentationTask


class _Guess(NamedTuple):
    """What a teacher sees: labels int64, confidence float32, validity bool, all (B, H, W)."""

    labels: torch.Tensor
    confidence: torch.Tensor
    valid: torch.Tensor


class Consistency(Supervision):
    """The loss of the labels, and of labels that a teacher gives to images that have none.

    Sohn et al., "FixMatch", 2020: where the teacher is sure of a pixel in a weak view, the network
    is trained on that label in a strong view. Yang et al., "UniMatch", 2023: in two strong views,
    into which parts of other images are pasted, and in the weak one with channels of its features
    left out. The sum over the sure pixels is divided by the number of all that lie in the images,
    so that a teacher that is sure of little teaches little.

    Args:
        net: The network that is trained; only its modules are looked up.
        channels: The number of channels of an image.
        threshold: The probability from which on the teacher is sure, in 0 to 1.
        weight: The weight of the images without labels; those with labels have 1.
        teacher_window_share: How far back the average of the weights, which is the teacher,
            reaches, as a share of all steps of the training; 0: it is the network as it is.
        feature_dropout: The share of the channels that are left out; 0 leaves this view out.
        feature_module: The module whose maps these are; None looks for an encoder.
        ignore_index: The label of pixels that are not trained on.

    Raises:
        ConfigError: A number is not in its range, or there is no such module.
    """

    def __init__(
        self,
        net: nn.Module,
        channels: int,
        *,
        threshold: float = 0.95,
        weight: float = 1.0,
        teacher_window_share: float = 0.04,
        feature_dropout: float = 0.5,
        feature_module: str | None = None,
        ignore_index: int = 255,
    ) -> None:
        super().__init__()
        check_number("supervision.threshold", threshold, 0, 1)
        check_number("supervision.weight", weight, 0)
        check_number("supervision.teacher_window_share", teacher_window_share, 0, 1)
        check_number("supervision.feature_dropout", feature_dropout, 0, 1)
        self.threshold, self.weight = threshold, weight
        self.feature_dropout, self._feature_module = feature_dropout, feature_module
        self.ignore_index = ignore_index
        self.teacher = MovingTeacher(teacher_window_share)
        if feature_dropout:
            count_channels(net, self._find_module(net), channels, "supervision.feature_module")

    def _find_module(self, net: nn.Module) -> nn.Module:
        key = "supervision.feature_module"
        return find_feature_module(net, self._feature_module, key, "the network")

    def forward(self, task: SegmentationTask, batch: Batch) -> TrainingLoss:
        """Return the loss of a batch, that of its labels included."""
        further = unlabelled_part(batch)
        guess = self._guess(task, further)
        outputs = task.training_outputs(batch["image"])
        labelled: torch.Tensor = task.loss(outputs, batch["mask"])
        parts = {"labels": labelled.detach(), **getattr(task.loss, "parts", {})}
        term = self._strong_loss(task, further, guess)
        if self.feature_dropout:
            with dropped_channels(self._find_module(task.net), self.feature_dropout):
                logits = task(further["image"])
            term = (term + self._loss(logits, guess)) / 2
        parts["unlabelled"] = term.detach()
        parts["sure_share"] = mean_of_batch(
            (guess.confidence >= self.threshold).float(), guess.valid
        )
        return TrainingLoss(labelled + self.weight * term, parts)

    def saved_state(self) -> dict[str, object]:
        """Return the teacher's weights."""
        return self.teacher.state()

    def restore_state(self, state: dict[str, object]) -> None:
        """Restore the teacher's weights."""
        self.teacher.restore(state)

    def _guess(self, task: SegmentationTask, further: UnlabelledBatch) -> _Guess:
        confidence, labels = self.teacher(task, further["image"]).softmax(1).max(1)
        return _Guess(labels, confidence, further["valid"])

    def _strong_loss(
        self, task: SegmentationTask, further: UnlabelledBatch, guess: _Guess
    ) -> torch.Tensor:
        """Return the mean loss over the strong views."""
        mixed = [
            mix_images(views, boxes, guess)
            for views, boxes in zip(
                further["strong"].unbind(1), further["boxes"].unbind(1), strict=True
            )
        ]
        logits = task(torch.cat([images for images, _ in mixed]))
        losses = [
            self._loss(each, target)
            for each, (_, target) in zip(logits.chunk(len(mixed)), mixed, strict=True)
        ]
        return torch.stack(losses).mean()

    def _loss(self, logits: torch.Tensor, guess: _Guess) -> torch.Tensor:
        losses = F.cross_entropy(logits.float(), guess.labels, reduction="none")
        sure = guess.confidence >= self.threshold
        return mean_of_batch(losses * sure, guess.valid)


def mix_images(
    images: torch.Tensor, boxes: torch.Tensor, guess: _Guess
) -> tuple[torch.Tensor, _Guess]:
    """Paste into each image a rectangle of the next one, with what the teacher sees there.

    Args:
        images: uint8 (B, C, h, w).
        boxes: int64 (B, 4): top, left, height and width; an empty one changes nothing.
        guess: What the teacher sees.

    Returns:
        The images and what is to be seen in them.
    """
    top, left, height, width = (side[:, None, None] for side in boxes.unbind(1))
    rows = torch.arange(images.shape[-2], device=images.device)[None, :, None]
    columns = torch.arange(images.shape[-1], device=images.device)[None, None, :]
    inside = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    pasted = torch.where(inside[:, None], images.roll(-1, 0), images)
    parts = (torch.where(inside, part.roll(-1, 0), part) for part in guess)
    return pasted, _Guess(*parts)
