"""Infer the classes of a user's folder from the values in its masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import LabelValueError
from outtake.core.labels import LabelSpace
from outtake.core.parallel import default_threads, map_threads
from outtake.data.image_files import read_raw_mask
from outtake.data.mask_encoding import MaskDecoder, is_gray, rgb_image_to_int

UNLABELLED_VALUE = 255
BINARY_VALUES = frozenset({0, 255})
CORRECTION_ADVICE = (
    "correct the mask, or name the value in the classes' yaml (as a class or as `ignore`)"
)
_MAX_COLOURS = 255


def infer_decoder(masks: Sequence[str]) -> MaskDecoder:
    """Return a decoder for the classes that the values of the training masks imply.

    Only 0 and 255: ``background`` and ``foreground``. Other numbers: ``class_0`` to
    ``class_n``, 255 being unlabelled. Colours: one class each, in the order of their RGB values.

    Raises:
        LabelValueError: The values do not look like labels, or there are fewer than two classes.
    """
    found = map_threads(
        read_distinct_values, masks, threads=default_threads(), title="Finding classes in masks"
    )
    coloured = [index for index, item in enumerate(found) if item.is_coloured]
    single = [index for index, item in enumerate(found) if not item.is_rgb]
    if coloured and single:
        raise LabelValueError(
            f"masks are of two kinds: {masks[coloured[0]]} is in colours and "
            f"{masks[single[0]]} is not; save them alike, or describe both in classes.yaml"
        )
    values: set[int] = set().union(*(item.values for item in found))
    if coloured:
        values = {code for item in found for code in item.colours}
        return _decoder_for_colours(sorted(values), masks[coloured[0]])
    if values == BINARY_VALUES:
        labels = LabelSpace.from_names(("background", "foreground"))
        return MaskDecoder(labels, {0: 0, 255: 1}, {}, CORRECTION_ADVICE)
    return _decoder_for_ids(values - {UNLABELLED_VALUE}, masks[0])


def _decoder_for_ids(values: set[int], example: str) -> MaskDecoder:
    listed = ", ".join(map(str, sorted(values)[:12])) + (" ..." if len(values) > 12 else "")
    count = max(values, default=0) + 1
    if count < 2:
        raise LabelValueError(
            f"the training masks (as {example}) hold only one class (values: {listed or '255'}); "
            "segmentation needs two"
        )
    if count > UNLABELLED_VALUE or 2 * len(values) < count:
        raise LabelValueError(
            f"the training masks (as {example}) hold {len(values)} values that are not 0, 1, "
            f"2 ...: {listed}; name them in classes.yaml as `names: {{VALUE: NAME, ...}}`"
        )
    labels = LabelSpace.from_names([f"class_{number}" for number in range(count)])
    ids = {number: number for number in range(count)}
    return MaskDecoder(
        labels, {**ids, UNLABELLED_VALUE: labels.ignore_index}, {}, CORRECTION_ADVICE
    )


def _decoder_for_colours(codes: list[int], example: str) -> MaskDecoder:
    if not 2 <= len(codes) < _MAX_COLOURS:
        raise LabelValueError(
            f"the training masks (as {example}) hold {len(codes)} colours, classes are 2 to "
            f"{_MAX_COLOURS - 1}; masks must not be smoothed; list the classes in classes.yaml"
        )
    colours = [(code >> 16, code >> 8 & 255, code & 255) for code in codes]
    labels = LabelSpace.from_names([f"class_{number}" for number in range(len(codes))], colours)
    return MaskDecoder(
        labels, {}, {code: label for label, code in enumerate(codes)}, CORRECTION_ADVICE
    )


@dataclass(frozen=True)
class DistinctValues:
    """The distinct numbers (or, of an RGB mask, colours) in one mask."""

    values: frozenset[int]
    is_rgb: bool = False
    is_coloured: bool = False
    colours: frozenset[int] = frozenset()


def read_distinct_values(path: str) -> DistinctValues:
    """Return the distinct values of a mask file."""
    raw = read_raw_mask(path)
    if raw.ndim == 2:
        return DistinctValues(_unique_values(raw))
    codes = _unique_values(rgb_image_to_int(raw))
    if len(codes) >= _MAX_COLOURS and not is_gray(raw):
        raise LabelValueError(
            f"the mask {path} holds {len(codes)} colours, which cannot all be classes; "
            "masks must not be smoothed or photographs; list the classes in classes.yaml"
        )
    return DistinctValues(_unique_values(raw[..., 0]), True, not is_gray(raw), codes)


def _unique_values(values: NDArray[Any]) -> frozenset[int]:
    return frozenset(np.unique(values).tolist())
