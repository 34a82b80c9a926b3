"""The classes of a user's folder as the values in its masks tell them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import LabelValueError
from outtake.core.labels import LabelSpace
from outtake.core.parallel import cpu_threads, map_threaded
from outtake.data.image_files import read_raw_mask
from outtake.data.mask_encoding import MaskCode, colour_codes, is_gray

UNLABELLED = 255
BINARY = frozenset({0, 255})
CORRECT = "correct the mask, or name the value in the classes' yaml (as a class or as `ignore`)"
_MOST_COLOURS = 255


def discovered_code(masks: Sequence[str]) -> MaskCode:
    """Return classes and how they are stored, from the values that training masks hold.

    Only 0 and 255: ``background`` and ``foreground``. Other numbers: ``class_0`` to
    ``class_n``, 255 being unlabelled. Colours: one class each, in the order of their RGB values.

    Raises:
        LabelValueError: the values do not look like labels, or make fewer than two classes.
    """
    found = map_threaded(
        stored_values, masks, threads=cpu_threads(), title="Finding classes in masks"
    )
    coloured = [index for index, item in enumerate(found) if item.coloured]
    single = [index for index, item in enumerate(found) if not item.rgb]
    if coloured and single:
        raise LabelValueError(
            f"masks are of two kinds: {masks[coloured[0]]} is in colours and "
            f"{masks[single[0]]} is not; save them alike, or describe both in classes.yaml"
        )
    values: set[int] = set().union(*(item.values for item in found))
    if coloured:
        values = {code for item in found for code in item.colours}
        return _colour_classes(sorted(values), masks[coloured[0]])
    if values == BINARY:
        labels = LabelSpace.named(("background", "foreground"))
        return MaskCode(labels, {0: 0, 255: 1}, {}, CORRECT)
    return _numbered_classes(values - {UNLABELLED}, masks[0])


def _numbered_classes(values: set[int], example: str) -> MaskCode:
    listed = ", ".join(map(str, sorted(values)[:12])) + (" ..." if len(values) > 12 else "")
    count = max(values, default=0) + 1
    if count < 2:
        raise LabelValueError(
            f"the training masks (as {example}) hold only one class (values: {listed or '255'}); "
            "segmentation needs two"
        )
    if count > UNLABELLED or 2 * len(values) < count:
        raise LabelValueError(
            f"the training masks (as {example}) hold {len(values)} values that are not 0, 1, "
            f"2 ...: {listed}; name them in classes.yaml as `names: {{VALUE: NAME, ...}}`"
        )
    labels = LabelSpace.named([f"class_{number}" for number in range(count)])
    ids = {number: number for number in range(count)}
    return MaskCode(labels, {**ids, UNLABELLED: labels.ignore_index}, {}, CORRECT)


def _colour_classes(codes: list[int], example: str) -> MaskCode:
    if not 2 <= len(codes) < _MOST_COLOURS:
        raise LabelValueError(
            f"the training masks (as {example}) hold {len(codes)} colours, classes are 2 to "
            f"{_MOST_COLOURS - 1}; masks must not be smoothed; list the classes in classes.yaml"
        )
    colours = [(code >> 16, code >> 8 & 255, code & 255) for code in codes]
    labels = LabelSpace.named([f"class_{number}" for number in range(len(codes))], colours)
    return MaskCode(labels, {}, {code: label for label, code in enumerate(codes)}, CORRECT)


@dataclass(frozen=True)
class StoredValues:
    """The distinct numbers (or, of an RGB mask, colours) in one mask."""

    values: frozenset[int]
    rgb: bool = False
    coloured: bool = False
    colours: frozenset[int] = frozenset()


def stored_values(path: str) -> StoredValues:
    """Return the distinct values of a mask file."""
    raw = read_raw_mask(path)
    if raw.ndim == 2:
        return StoredValues(_distinct(raw))
    codes = _distinct(colour_codes(raw))
    if len(codes) >= _MOST_COLOURS and not is_gray(raw):
        raise LabelValueError(
            f"the mask {path} holds {len(codes)} colours, which can not all be classes; "
            "masks must not be smoothed or photographs; list the classes in classes.yaml"
        )
    return StoredValues(_distinct(raw[..., 0]), True, not is_gray(raw), codes)


def _distinct(values: NDArray[Any]) -> frozenset[int]:
    return frozenset(np.unique(values).tolist())
