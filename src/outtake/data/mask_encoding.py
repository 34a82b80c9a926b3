"""Decode the values that mask files store to class ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import LabelValueError
from outtake.core.labels import Colour, LabelSpace
from outtake.core.types import LabelMap
from outtake.data.soft_edges import SoftEdges, count_values, find_soft_edges, nearest_codes

SOFT_EDGES_ADVICE = (
    "set data.source.soft_edges=nearest (the nearer class beside each pixel), unlabelled (rims "
    "are neither trained on nor scored), or keep (every value is a class)"
)


def rgb_image_to_int(image: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return one integer, 0xRRGGBB, for each pixel of uint8 (H, W, 3)."""
    wide = image.astype(np.int32)
    return (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]


def int_to_rgb_image(codes: NDArray[Any]) -> NDArray[np.uint8]:
    """Return uint8 (H, W, 3) of 0xRRGGBB (H, W)."""
    return np.stack([codes >> 16 & 255, codes >> 8 & 255, codes & 255], -1).astype(np.uint8)


def rgb_to_int(colour: Colour) -> int:
    """Return 0xRRGGBB."""
    return colour[0] << 16 | colour[1] << 8 | colour[2]


def is_gray(image: NDArray[Any]) -> bool:
    """Return True if the three channels of (H, W, 3) are the same."""
    return bool((image[..., :1] == image[..., 1:]).all())


@dataclass(frozen=True)
class MaskDecoder:
    """Decodes the mask files of one data set.

    Attributes:
        labels: The classes.
        ids: Stored number -> label, for masks of one channel (palette indices included) and
            for gray masks that are stored as RGB where ``colours`` is empty.
        colours: Stored 0xRRGGBB -> label, for RGB masks.
        advice: What a user can do about a value that is not a class.
        soft_edges: What becomes of values that are no class: an error, also for ``keep``; the
            class ``nearest`` to them; or ``unlabelled``.
        threshold: Where given, values of at least this are class 1, others class 0.
    """

    labels: LabelSpace
    ids: Mapping[int, int]
    colours: Mapping[int, int] = field(default_factory=dict)
    advice: str = "correct the mask"
    soft_edges: SoftEdges = "error"
    threshold: int | None = None

    def decode(self, raw: NDArray[Any], path: str) -> LabelMap:
        """Return labels, uint8 (H, W).

        Args:
            raw: Integers (H, W), or uint8 (H, W, 3) colours.
            path: The file of the mask, for the message.

        Raises:
            LabelValueError: A value or colour is not a class.
        """
        if self.threshold is not None:
            grey = raw if raw.ndim == 2 else cv2.cvtColor(raw, cv2.COLOR_RGB2GRAY)
            return (grey >= self.threshold).astype(np.uint8)
        if raw.ndim == 2:
            return self._look_up(raw, self.ids, path, colours=False)
        if self.colours:
            return self._look_up(rgb_image_to_int(raw), self.colours, path, colours=True)
        if not is_gray(raw):
            raise LabelValueError(
                f"the mask {path} is in colours, and the classes have none; list them as "
                "`colours: [[r, g, b], ...]` in the classes' yaml, or save masks as class ids"
            )
        return self._look_up(raw[..., 0], self.ids, path, colours=False)

    def _look_up(
        self, values: NDArray[Any], table: Mapping[int, int], path: str, *, colours: bool
    ) -> LabelMap:
        known = np.array(sorted(table), np.int64)
        labels = np.array([table[value] for value in known.tolist()], np.uint8)
        if values.dtype == np.uint8:
            quick = np.full(256, -1, np.int16)
            inside = known < 256
            quick[known[inside]] = labels[inside]
            found = quick[values]
            unknown = found < 0
            encoded: LabelMap = found.astype(np.uint8)
        else:
            position = np.minimum(np.searchsorted(known, values), len(known) - 1)
            unknown = known[position] != values
            encoded = np.asarray(labels[position], np.uint8)
        if not unknown.any():
            return encoded
        if self.soft_edges == "unlabelled":
            encoded[unknown] = self.labels.ignore_index
        elif self.soft_edges == "nearest":
            areas = [value for value in known.tolist() if value in values or len(known) < 3]
            sharp = nearest_codes(values, unknown, areas or known.tolist(), colours=colours)
            encoded = np.array(labels[np.searchsorted(known, sharp)], np.uint8)
        else:
            raise self._unknown_value_error(values, unknown, known, path, colours)
        return encoded

    def _unknown_value_error(
        self,
        values: NDArray[Any],
        unknown: NDArray[np.bool_],
        known: NDArray[np.int64],
        path: str,
        colours: bool,
    ) -> LabelValueError:
        distinct, counts = np.unique(values[unknown], return_counts=True)
        worst = int(counts.argmax())
        kind = "colour" if colours else "value"
        others = len(distinct) - 1
        planes = int_to_rgb_image(values) if colours else values
        soft = find_soft_edges(count_values(planes, values))
        advice = (
            f"they lie in thin rims, as of masks that were resized or smoothed: {SOFT_EDGES_ADVICE}"
            if soft is not None
            else self.advice
        )
        more = f" ({others} other {kind}s are none either)" if others else ""
        return LabelValueError(
            f"{int(counts[worst])} pixels of the mask {path} have the {kind} "
            f"{format_value(int(distinct[worst]), colours)}, which is no class{more}; "
            f"allowed are {_format_values(known.tolist(), colours)}; {advice}"
        )


def format_value(value: int, colour: bool) -> str:
    """Return a number as it is and 0xRRGGBB as [r, g, b]."""
    return str([value >> 16, value >> 8 & 255, value & 255]) if colour else str(value)


def _format_values(values: list[int], colours: bool) -> str:
    if len(values) > 3 and values[-1] - values[0] == len(values) - 1 and not colours:
        return f"{values[0]} to {values[-1]}"
    shown = ", ".join(format_value(value, colours) for value in values[:24])
    return shown + (" ..." if len(values) > 24 else "")
