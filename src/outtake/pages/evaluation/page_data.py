"""What the report page shows, as plain containers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outtake.core.labels import LabelSpace
from outtake.evaluation.evaluator import BestWorst
from outtake.pages.evaluation.example_images import example_rows


def page_data(
    record: Mapping[str, Any], extremes: BestWorst, labels: LabelSpace, ids: list[str]
) -> dict[str, Any]:
    """Return what ``report.js`` draws.

    Args:
        record: of ``metrics.json``, secrets hidden.
        extremes: the worst and the best images.
        labels: the classes and their colours.
        ids: of the samples, by index.
    """
    return {
        "title": f"{record['data']} {record['split']}: mIoU {record['miou']:.4f}",
        "record": {key: value for key, value in record.items() if key != "per_image"},
        "colours": {
            name: list(colour) for name, colour in zip(labels.names, labels.colours, strict=True)
        },
        "per_image": [
            {"id": each["id"], "miou": each["miou"]} for each in record.get("per_image", [])
        ][:2000],
        "worst": example_rows(extremes.worst, labels, ids),
        "best": example_rows(extremes.best, labels, ids),
    }
