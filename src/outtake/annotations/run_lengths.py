"""Masks as run lengths, in the forms of COCO and of CVAT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from outtake.core.types import Mask

_MAX_PIXELS = 1 << 28  # 16384 x 16384; a few characters can ask for any number


def decode_coco_runs(record: Mapping[str, Any]) -> Mask:
    """Return the mask of COCO's ``{"size": [height, width], "counts": ...}``, bool (H, W).

    ``counts`` are the lengths of runs down the columns, as a list or as COCO's compressed string.

    Raises:
        ValueError: The runs are not as long as the mask.
    """
    height, width = (int(side) for side in record["size"])
    counts = record["counts"]
    runs = decode_coco_counts(counts) if isinstance(counts, str) else counts
    return runs_to_mask(runs, height, width, by_columns=True)


def runs_to_mask(counts: Sequence[int], height: int, width: int, *, by_columns: bool) -> Mask:
    """Return the mask of run lengths that begin with 0, bool (height, width).

    Args:
        counts: The lengths of runs of 0 and 1 in turn.
        height: Of the mask.
        width: Of the mask.
        by_columns: Whether the runs go down the columns (COCO), else along the rows (CVAT).

    Raises:
        ValueError: The runs are not as long as the mask, or it is larger than any picture.
    """
    if height * width > _MAX_PIXELS:
        raise ValueError(f"a mask of {width}x{height} is larger than {_MAX_PIXELS} pixels")
    runs = np.asarray(counts, np.int64)
    if runs.ndim != 1 or (runs < 0).any() or runs.sum() != height * width:
        raise ValueError(f"run lengths do not add up to {width}x{height}")
    values = np.arange(len(runs)) % 2 == 1
    flat = np.repeat(values, runs)
    if by_columns:
        return np.ascontiguousarray(flat.reshape(width, height).T)
    return flat.reshape(height, width)


def decode_coco_counts(text: str) -> list[int]:
    """Return the run lengths of COCO's compressed string.

    Each number is written in groups of five bits, the lowest first, as a character from ``0`` on
    whose sixth bit says that more follow; from the fourth on it is the difference to the number two
    before it (``rleFrString`` of COCO's ``maskApi.c``).

    Raises:
        ValueError: The string ends inside a number.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise ValueError(f"{character!r} is not a character of run lengths")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("the run lengths end inside a number")
    return counts
