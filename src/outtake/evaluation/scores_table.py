"""The scores of an evaluation as a table in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from outtake.evaluation.metrics import class_metrics, split_metrics
from outtake.evaluation.sampling_units import describe_draws


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
    drawn = describe_draws(record["bootstrap"]) if "bootstrap" in record else ""
    if "intervals" in record:
        interval = _format_interval(record["intervals"]["miou"])
        outline = _format_interval(record["boundary"]["iou_interval"])
        console.print(
            f"{drawn}{f': mIoU {interval}' if interval else ''}; boundary IoU "
            f"{record['boundary']['iou']:.4f}{f' ({outline})' if outline else ''}, "
            f"boundary F {record['boundary']['f_score']:.4f}, "
            f"calibration error {record['calibration']['ece']:.4f}"
        )
    if "paired" in record:
        paired = record["paired"]
        interval = _format_interval(paired["interval"])
        console.print(
            f"against {escape(paired['baseline'])}: mIoU {paired['difference']:+.4f}"
            f"{f' ({interval})' if interval else ''}"
            f"{f', {drawn}' if 'intervals' not in record else ''}"
        )


def _format_interval(interval: Sequence[float]) -> str:
    """Return an interval as text, empty where there is none."""
    return "" if np.isnan(interval[0]) else f"{interval[0]:.4f} to {interval[1]:.4f}"
