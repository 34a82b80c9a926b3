"""The share of each class in each picture, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from outtake.core.files import replace_text, write_json
from outtake.core.types import LabelMap
from outtake.pictures.prediction_record import PictureRecord
from outtake.video.read.inputs import natural_sort_key

SHARES_JSON, SHARES_CSV = "shares.json", "shares.csv"


def class_shares(labels: LabelMap, names: Sequence[str]) -> dict[str, float]:
    """Return the share of each class in a label map, by name, 0 to 1."""
    counts = np.bincount(labels.ravel(), minlength=256)[: len(names)]
    return {
        name: int(count) / labels.size for name, count in zip(names, counts.tolist(), strict=True)
    }


def write_shares(folder: Path, names: Sequence[str], entries: Iterable[PictureRecord]) -> None:
    """Write the class shares of all pictures as JSON and as CSV, in natural order.

    The JSON has the mean over all pixels too.

    Args:
        folder: The output folder.
        names: The class names in the order of their ids.
        entries: The pictures; those without shares have no row.

    Raises:
        OutputError: A file cannot be written.
    """
    ordered = sorted(entries, key=lambda entry: natural_sort_key(Path(entry.picture)))
    rows = [(entry, entry.shares) for entry in ordered if entry.shares is not None]
    pixels = sum(entry.width * entry.height for entry, _ in rows)
    total = {
        name: sum(shares[name] * entry.width * entry.height for entry, shares in rows) / pixels
        for name in names
        if pixels
    }
    pictures = {
        entry.picture: {"width": entry.width, "height": entry.height, "shares": dict(shares)}
        for entry, shares in rows
    }
    record = {"classes": list(names), "of_all_pixels": total, "pictures": pictures}
    write_json(folder / SHARES_JSON, record)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["picture", "width", "height", *names])
    for entry, shares in rows:
        values = [f"{shares[name]:.6f}" for name in names]
        writer.writerow([entry.picture, entry.width, entry.height, *values])
    replace_text(folder / SHARES_CSV, text.getvalue())
