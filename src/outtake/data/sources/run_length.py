"""Masks as run lengths, in the two forms of COCO and that of CVAT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from outtake.core.types import Mask


def decode_coco_runs(record: Mapping[str, Any]) -> Mask:
    """Return the mask of ``{"size": [height, width], "counts": ...}``, bool (H, W).

    ``counts`` are the lengths of runs of 0 and 1 in turn, down the columns, as a list or packed in
    a string as by pycocotools: five bits in each character from 48 on, the sixth says that more
    follow, negative numbers are extended by their sign, and from the third on each is the
    difference to the one two before.

    Raises:
        ValueError: The runs do not fill the picture.
    """
    height, width = (int(side) for side in record["size"])
    counts = record["counts"]
    runs = _unpack(counts) if isinstance(counts, str | bytes) else [int(run) for run in counts]
    flat = _fill(runs, height * width, first=False)
    return flat.reshape(width, height).T


def decode_rows(runs: Sequence[int], height: int, width: int) -> Mask:
    """Return the mask of runs of 0 and 1 in turn, along the rows, as CVAT writes them.

    Raises:
        ValueError: The runs do not fill the picture.
    """
    return _fill(runs, height * width, first=False).reshape(height, width)


def _fill(runs: Sequence[int], size: int, *, first: bool) -> Mask:
    if min(runs, default=0) < 0 or sum(runs) != size:
        raise ValueError(f"runs of {sum(runs)} pixels for a picture of {size}")
    values = (np.arange(len(runs)) % 2 == 1) ^ first
    return np.repeat(values, np.asarray(runs, np.int64))


def _unpack(packed: str | bytes) -> list[int]:
    codes = packed.encode() if isinstance(packed, str) else packed
    runs: list[int] = []
    value = shift = 0
    for code in codes:
        bits = code - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return runs
