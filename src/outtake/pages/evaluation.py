"""The page of one evaluation: its numbers, and pictures of the worst and the best images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from outtake.core.labels import LabelSpace
from outtake.core.types import Frame
from outtake.drawing.fit_picture import fit_picture
from outtake.drawing.label_pictures import colourise, overlay_labels
from outtake.evaluation.bootstrap import MIN_UNITS
from outtake.evaluation.evaluator import BestWorst, Example
from outtake.evaluation.metrics import Metric, class_metrics, split_metrics
from outtake.evaluation.sampling_units import describe_draws
from outtake.evaluation.scores_table import describe_scored
from outtake.pages.encode_pictures import encode_data_uri

WIDTH_PX = 420
WRONG = (214, 64, 64)
UNLABELLED = (40, 40, 46)
_MAX_IMAGES = 2000


def page_data(
    record: Mapping[str, Any], best_worst: BestWorst, labels: LabelSpace, ids: list[str]
) -> dict[str, Any]:
    """Return what ``evaluation.js`` draws.

    Args:
        record: The record of ``metrics.json``, with secrets hidden.
        best_worst: The best and the worst images.
        labels: The classes and their colours.
        ids: The ids of the samples, by index.
    """
    return {
        "title": f"{describe_scored(record)}: mIoU {record['miou']:.4f}",
        "scores": _titles(split_metrics()),
        "class_scores": _titles(class_metrics()),
        "drawn": describe_draws(record["bootstrap"]) if "bootstrap" in record else None,
        "least_units": MIN_UNITS,
        "record": {key: value for key, value in record.items() if key != "per_image"},
        "colours": {
            name: list(colour) for name, colour in zip(labels.names, labels.colours, strict=True)
        },
        "per_image": _thin_out(record.get("per_image", [])),
        "images": len(record.get("per_image", [])),
        "worst": example_rows(best_worst.worst, labels, ids),
        "best": example_rows(best_worst.best, labels, ids),
    }


def _thin_out(images: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the scores of images, of many those spread over all from the worst to the best.

    Images without a labelled pixel, whose score is NaN, are left out.
    """
    scored = sorted(
        (
            {"id": each["id"], "miou": each["miou"]}
            for each in images
            if each["miou"] == each["miou"]
        ),
        key=lambda each: float(each["miou"]),
    )
    if len(scored) <= _MAX_IMAGES:
        return scored
    last = len(scored) - 1
    return [scored[round(index * last / (_MAX_IMAGES - 1))] for index in range(_MAX_IMAGES)]


def _titles(metrics: Sequence[Metric]) -> list[dict[str, str]]:
    return [{"key": metric.key, "title": metric.title} for metric in metrics]


def example_rows(
    examples: Sequence[Example], labels: LabelSpace, ids: Sequence[str]
) -> list[dict[str, Any]]:
    """Return one row of pictures for each image, as ``data:`` addresses."""
    return [
        {"id": ids[example.index], "miou": example.miou, **_encode_pictures(example, labels)}
        for example in examples
    ]


def draw_errors(image: Frame, example: Example, ignore_index: int) -> Frame:
    """Darken an image and paint its wrong pixels red and its unlabelled pixels dark.

    Args:
        image: The image at the size of the labels, uint8 (H, W, 3).
        example: The labels of the image.
        ignore_index: The value of pixels without a label.
    """
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    painted = np.asarray(grey // 2 + 70, np.uint8)
    painted[example.predicted != example.truth] = WRONG
    painted[example.truth == ignore_index] = UNLABELLED
    return painted


def _encode_pictures(example: Example, labels: LabelSpace) -> dict[str, str]:
    height, width = example.truth.shape
    image = example.image
    image = image[..., :3] if image.shape[2] >= 3 else np.repeat(image[..., :1], 3, 2)
    image = np.asarray(cv2.resize(np.ascontiguousarray(image), (width, height)), np.uint8)
    palette = labels.palette()
    drawn = {
        "image": image,
        "truth": colourise(example.truth, palette),
        "predicted": overlay_labels(
            image, example.predicted, palette, background=labels.background_id
        ),
        "errors": draw_errors(image, example, labels.ignore_index),
    }
    return {key: encode_data_uri(fit_picture(picture, WIDTH_PX)) for key, picture in drawn.items()}
