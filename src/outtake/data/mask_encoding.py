"""Decode the values that mask files store to class ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import LabelValueError
from outtake.core.labels import Colour, LabelSpace
from outtake.core.types import LabelMap


def rgb_image_to_int(image: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return one integer, 0xRRGGBB, for each pixel of uint8 (H, W, 3)."""
    wide = image.astype(np.int32)
    return (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]


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
    """

    labels: LabelSpace
    ids: Mapping[int, int]
    colours: Mapping[int, int] = field(default_factory=dict)
    advice: str = "correct the mask"

    def decode(self, raw: NDArray[Any], path: str) -> LabelMap:
        """Return labels, uint8 (H, W).

        Args:
            raw: Integers (H, W), or uint8 (H, W, 3) colours.
            path: The file of the mask, for the message.

        Raises:
            LabelValueError: A value or colour is not a class.
        """
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
        if unknown.any():
            raise self._unknown_value_error(values[unknown], known, path, colours)
        return encoded

    def _unknown_value_error(
        self, values: NDArray[Any], known: NDArray[np.int64], path: str, colours: bool
    ) -> LabelValueError:
        distinct, counts = np.unique(values, return_counts=True)
        worst = int(counts.argmax())
        kind = "colour" if colours else "value"
        others = len(distinct) - 1
        more = f" ({others} other {kind}s are none either)" if others else ""
        return LabelValueError(
            f"{int(counts[worst])} pixels of the mask {path} have the {kind} "
            f"{_format_value(int(distinct[worst]), colours)}, which is no class{more}; "
            f"allowed are {_format_values(known.tolist(), colours)}; {self.advice}"
        )


def _format_value(value: int, colour: bool) -> str:
    return str([value >> 16, value >> 8 & 255, value & 255]) if colour else str(value)


def _format_values(values: list[int], colours: bool) -> str:
    if len(values) > 3 and values[-1] - values[0] == len(values) - 1 and not colours:
        return f"{values[0]} to {values[-1]}"
    shown = ", ".join(_format_value(value, colours) for value in values[:24])
    return shown + (" ..." if len(values) > 24 else "")
