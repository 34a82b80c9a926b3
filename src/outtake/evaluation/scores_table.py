"""The scores of an evaluation as a table in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from outtake.evaluation.metrics import class_metrics, split_metrics


def describe_scored(record: Mapping[str, Any]) -> str:
    """Return what a ``metrics.json`` is of: data, split, and which of several label maps."""
    return " ".join(str(record[key]) for key in ("data", "split", "label_map") if key in record)


def print_scores(record: dict[str, Any], console: Console) -> None:
    """Print the scores as a table."""
    table = Table(title=f"{describe_scored(record)}: {record['images']} images")
    table.add_column("class")
    for metric in class_metrics():
        table.add_column(metric.title, justify="right")
    for name in record["classes"]:
        values = (record[metric.key][name] for metric in class_metrics())
        table.add_row(
            escape(name), *("-" if value != value else f"{value:.4f}" for value in values)
        )
    console.print(table)
    named = ", ".join(f"{metric.title} {record[metric.key]:.4f}" for metric in split_metrics())
    console.print(
        f"{named}; {record['classes_scored']} classes, {record['images_per_second']:.1f} images/s"
    )
    if "intervals" in record:
        console.print(
            f"95% intervals over images: mIoU {_format_interval(record['intervals']['miou'])}, "
            f"boundary IoU "
            f"{record['boundary']['iou']:.4f} "
            f"({_format_interval(record['boundary']['iou_interval'])}), "
            f"boundary F {record['boundary']['f_score']:.4f}, "
            f"calibration error {record['calibration']['ece']:.4f}"
        )
    if "paired" in record:
        paired = record["paired"]
        console.print(
            f"against {escape(paired['baseline'])}: mIoU {paired['difference']:+.4f}, 95% interval "
            f"{_format_interval(paired['interval'])}"
        )


def _format_interval(interval: Sequence[float]) -> str:
    return f"{interval[0]:.4f} to {interval[1]:.4f}"
