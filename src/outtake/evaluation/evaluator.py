"""What an evaluation counts, image by image."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from outtake.core.types import Frame, LabelMap
from outtake.evaluation.boundary import count_boundary
from outtake.evaluation.calibration_error import confidence_histogram, predicted_confidence
from outtake.evaluation.confusion_matrix import per_image_confusion
from outtake.evaluation.enlarged_logits import group_images, iter_enlarged
from outtake.evaluation.metrics import Counts, score_counts, tp_true_pred_counts


@dataclass(frozen=True)
class Example:
    """An image with its true and predicted labels.

    Attributes:
        index: The index of the sample in its split.
        miou: The mIoU of this image alone.
        image: The image as the network saw it, uint8 (h, w, C).
        truth: The true labels, uint8 (H, W).
        predicted: The predicted labels, uint8 (H, W).
    """

    index: int
    miou: float
    image: Frame
    truth: LabelMap
    predicted: LabelMap


@dataclass
class BestWorst:
    """The worst and the best images so far; no more are kept in memory than are shown.

    Attributes:
        count: The number of images of each kind.
    """

    count: int
    worst: list[Example] = field(default_factory=list)
    best: list[Example] = field(default_factory=list)

    def would_keep(self, miou: float) -> bool:
        """Return whether an image would be kept."""
        if np.isnan(miou) or not self.count:
            return False
        full = len(self.worst) >= self.count
        return not full or miou < self.worst[-1].miou or miou > self.best[-1].miou

    def add(self, example: Example) -> None:
        """Keep an image if it is among the worst or the best."""
        self.worst = sorted([*self.worst, example], key=lambda e: e.miou)[: self.count]
        self.best = sorted([*self.best, example], key=lambda e: -e.miou)[: self.count]


class Evaluator:
    """The counts of a split, which grow batch by batch.

    Args:
        classes: The number of classes.
        ignore_index: The label of pixels that are not scored.
        with_details: Whether outlines and confidence are counted too, and examples are kept.
        examples: The number of the worst and of the best images that are kept.

    Attributes:
        confusion: The sum over all images, int64 (classes, classes).
        indices: The indices of the samples, in the order in which they were counted.
        counts_per_image: The pixel counts of each image, int64 (3, classes).
        boundary_f_scores: The boundary F-scores of each image, float64 (classes,); NaN where a
            class has no contour.
        boundary_region_counts: Intersection and union of the boundary regions of each image, int64
            (2, classes).
        calibration_bins: The confidence histogram of each image, float64 (3, bins).
        best_worst: The images with the highest and the lowest mIoU.
    """

    def __init__(
        self, classes: int, ignore_index: int, *, with_details: bool = True, examples: int = 4
    ) -> None:
        self._classes = classes
        self._ignore_index = ignore_index
        self._with_details = with_details
        self.confusion: Counts = np.zeros((classes, classes), np.int64)
        self.indices: list[int] = []
        self.counts_per_image: list[Counts] = []
        self.boundary_f_scores: list[NDArray[np.float64]] = []
        self.boundary_region_counts: list[Counts] = []
        self.calibration_bins: list[NDArray[np.float64]] = []
        self.best_worst = BestWorst(examples if with_details else 0)

    def add(
        self,
        logits: torch.Tensor,
        truth: torch.Tensor,
        images: torch.Tensor,
        indices: torch.Tensor,
    ) -> None:
        """Count a batch at the size of its labels, large images one by one and in stripes.

        Args:
            logits: The logits, float (B, classes, h, w) of any size; enlarged bilinearly.
            truth: The true labels, uint8 or int64 (B, H, W), on the same device.
            images: The images, uint8 (B, C, h, w).
            indices: The indices of the samples, (B,).
        """
        size = (int(truth.shape[-2]), int(truth.shape[-1]))
        for some in group_images(len(logits), self._classes, size):
            self._add_group(logits[some], truth[some], images[some], indices[some])

    def _add_group(
        self,
        logits: torch.Tensor,
        truth: torch.Tensor,
        images: torch.Tensor,
        indices: torch.Tensor,
    ) -> None:
        predicted = torch.empty(truth.shape, dtype=torch.uint8, device=logits.device)
        sure = torch.empty(truth.shape if self._with_details else 0, device=logits.device)
        for piece in iter_enlarged(logits, (int(truth.shape[-2]), int(truth.shape[-1]))):
            piece.of(predicted).copy_(piece.logits.argmax(1))
            if self._with_details:
                piece.of(sure).copy_(predicted_confidence(piece.logits))
        counted = per_image_confusion(predicted, truth, self._classes, self._ignore_index)
        counted_here: Counts = counted.cpu().numpy()
        self.confusion += counted_here.sum(0)
        self.counts_per_image += list(tp_true_pred_counts(counted_here))
        self.indices += [int(index) for index in indices]
        if self._with_details:
            self._add_details(sure, predicted, truth, images)

    def _add_details(
        self,
        sure: torch.Tensor,
        predicted: torch.Tensor,
        truth: torch.Tensor,
        images: torch.Tensor,
    ) -> None:
        labels = predicted.cpu().numpy()
        known = truth.to(torch.uint8).cpu().numpy()
        first = len(self.indices) - len(labels)
        for place in range(len(labels)):
            self.calibration_bins.append(
                confidence_histogram(
                    sure[place], predicted[place], truth[place], self._ignore_index
                )
            )
            outline = count_boundary(labels[place], known[place], self._classes, self._ignore_index)
            self.boundary_f_scores.append(outline.f_score)
            self.boundary_region_counts.append(np.stack([outline.intersection, outline.union]))
            miou = float(score_counts(self.counts_per_image[first + place])["miou"])
            if self.best_worst.would_keep(miou):
                image = images[place].permute(1, 2, 0).cpu().numpy()
                self.best_worst.add(
                    Example(
                        self.indices[first + place], miou, image.copy(), known[place].copy(),
                        labels[place].copy(),
                    )
                )  # fmt: skip
