"""Boundary F-score and boundary IoU of label maps: how well outlines fit.

- Boundary F-score: Csurka, Larlus and Perronnin, "What is a good evaluation measure for semantic
  segmentation?", BMVC 2013. Per image and class: precision is the share of predicted contour
  pixels within a tolerance of the true contour, recall the reverse; the mean over images.
- Boundary IoU: Cheng, Girshick, Dollar, Berg and Kirillov, "Boundary IoU: Improving
  Object-Centric Image Segmentation Evaluation", CVPR 2021. The IoU of the pixels of a class that
  lie within a distance of its contour, summed over images as for mIoU.

Both tolerances are shares of the image's diagonal. Pixels without a label count nowhere, and
where they begin there is no contour, because what lies there is not known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import LabelMap, Mask

F_TOLERANCE = 0.0075
IOU_TOLERANCE = 0.02


@dataclass(frozen=True)
class BoundaryCounts:
    """The boundary counts of one image.

    Attributes:
        f_score: The F-score of each class, float64 (classes,); NaN where neither side has a
            contour.
        intersection: The pixels of the boundary region that both sides have, int64 (classes,).
        union: The pixels of the boundary region that either side has, int64 (classes,).
    """

    f_score: NDArray[np.float64]
    intersection: NDArray[np.int64]
    union: NDArray[np.int64]


def count_boundary(
    predicted: LabelMap,
    truth: LabelMap,
    classes: int,
    ignore_index: int,
    f_tolerance_px: float | None = None,
) -> BoundaryCounts:
    """Compare the outlines of one image, both uint8 (H, W).

    Args:
        predicted: The predicted labels.
        truth: The true labels.
        classes: The number of classes.
        ignore_index: The label of pixels that count nowhere.
        f_tolerance_px: How near contours must be for the F-score; None is ``F_TOLERANCE`` of the
            diagonal.
    """
    labelled = truth != ignore_index
    diagonal = math.hypot(*truth.shape)
    intersection, union = _region_counts(
        predicted, truth, labelled, classes, max(round(IOU_TOLERANCE * diagonal), 1)
    )
    near_px = F_TOLERANCE * diagonal if f_tolerance_px is None else f_tolerance_px
    f_score = _boundary_f_scores(predicted, truth, labelled, classes, near_px)
    return BoundaryCounts(f_score, intersection, union)


def mask_near_class_change(labels: LabelMap, labelled: Mask, distance_px: int) -> Mask:
    """Return where the square of 2 * distance + 1 pixels around a pixel holds another class.

    One minimum and one maximum filter find it for all classes at once: where the two agree, the
    square holds one class only.
    """
    size = 2 * distance_px + 1
    square = np.ones((size, size), np.uint8)
    everywhere = bool(labelled.all())
    # Pixels without a label get the value that the filter never prefers.
    lowest = cv2.erode(labels if everywhere else np.where(labelled, labels, np.uint8(255)), square)
    highest = cv2.dilate(labels if everywhere else np.where(labelled, labels, np.uint8(0)), square)
    return np.asarray((lowest != highest) & labelled, np.bool_)


def _region_counts(
    predicted: LabelMap, truth: LabelMap, labelled: Mask, classes: int, distance_px: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    regions = []
    for labels in (truth, predicted):
        region = mask_near_class_change(labels, labelled, distance_px)
        # The picture's border is a contour too, as in the authors' code.
        for side in (region[:distance_px], region[-distance_px:]):
            side[:] = True
        for side in (region[:, :distance_px], region[:, -distance_px:]):
            side[:] = True
        regions.append(region & labelled)
    in_truth, in_predicted = regions
    both = in_truth & in_predicted & (truth == predicted)
    intersection = _pixels_per_class(truth[both], classes)
    total = _pixels_per_class(truth[in_truth], classes) + _pixels_per_class(
        predicted[in_predicted], classes
    )
    return intersection, total - intersection


def _boundary_f_scores(
    predicted: LabelMap, truth: LabelMap, labelled: Mask, classes: int, tolerance_px: float
) -> NDArray[np.float64]:
    true_contour = mask_near_class_change(truth, labelled, 1)
    predicted_contour = mask_near_class_change(predicted, labelled, 1)
    right, found = _match_contour_pixels(
        predicted, predicted_contour, truth, true_contour, tolerance_px
    )
    covered, there = _match_contour_pixels(
        truth, true_contour, predicted, predicted_contour, tolerance_px
    )
    count_found, count_there = _pixels_per_class(found, classes), _pixels_per_class(there, classes)
    precision = _pixels_per_class(found[right], classes) / np.maximum(count_found, 1)
    recall = _pixels_per_class(there[covered], classes) / np.maximum(count_there, 1)
    total = precision + recall
    scores = 2 * precision * recall / np.where(total > 0, total, 1)
    return np.where(count_found + count_there > 0, scores, np.nan)


def _match_contour_pixels(
    labels: LabelMap, contour: Mask, other: LabelMap, other_contour: Mask, tolerance_px: float
) -> tuple[Mask, NDArray[np.uint8]]:
    """Return which contour pixels have a pixel of their class on the other contour near them.

    Offsets of growing length are tried for the pixels that are still unmatched. Most match at
    once, so this costs less than a distance transform for each class.
    """
    reach = int(tolerance_px)
    # Classes are at most 254; 255 is no contour.
    coded = np.pad(np.where(other_contour, other, np.uint8(255)), reach, constant_values=255)
    width = coded.shape[1]
    y, x = np.nonzero(contour)
    own = labels[y, x]
    at, flat = (y + reach) * width + x + reach, coded.ravel()
    near = np.zeros(len(own), np.bool_)
    left = np.arange(len(own))
    for step_y, step_x in _disc_offsets(tolerance_px):
        hit = flat[at[left] + step_y * width + step_x] == own[left]
        near[left[hit]] = True
        left = left[~hit]
    return near, own


@cache
def _disc_offsets(radius_px: float) -> list[tuple[int, int]]:
    reach = range(-int(radius_px), int(radius_px) + 1)
    inside = [(y, x) for y in reach for x in reach if y * y + x * x <= radius_px**2]
    return sorted(inside, key=lambda step: step[0] ** 2 + step[1] ** 2)


def _pixels_per_class(labels: NDArray[np.uint8], classes: int) -> NDArray[np.int64]:
    return np.bincount(labels, minlength=classes)[:classes].astype(np.int64)
