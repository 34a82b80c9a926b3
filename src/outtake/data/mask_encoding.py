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
from outtake.data.stored_mask import StoredMask

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
        colours: Stored 0xRRGGBB -> label, for RGB masks, and for those with a palette whose colours
            are of classes.
        palettes_differ: Whether an index has other colours in other masks: then it tells nothing,
            and only the colour counts, where there are ``colours``.
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
    palettes_differ: bool = False

    def decode(self, mask: StoredMask | NDArray[Any], path: str) -> LabelMap:
        """Return labels, uint8 (H, W).

        Args:
            mask: What the file stores, or integers (H, W), or uint8 (H, W, 3) colours.
            path: The file of the mask, for the message.

        Raises:
            LabelValueError: A value or colour is not a class, or the two of a palette contradict
                each other.
        """
        stored = mask if isinstance(mask, StoredMask) else StoredMask(mask)
        if self.threshold is not None:
            shown = stored.as_shown()
            grey = shown if shown.ndim == 2 else cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY)
            return (grey >= self.threshold).astype(np.uint8)
        raw = stored.values
        if raw.ndim == 2 and stored.palette is not None and self.colours:
            return self._decode_palette(stored, path)
        if raw.ndim == 2:
            return self._look_up(self._choose_numbers(stored), self.ids, path, colours=False)
        if self.colours:
            return self._look_up(rgb_image_to_int(raw), self.colours, path, colours=True)
        if not is_gray(raw):
            raise LabelValueError(
                f"the mask {path} is in colours, and the classes have none; list them as "
                "`colours: [[r, g, b], ...]` in the classes' yaml, or save masks as class ids"
            )
        return self._look_up(raw[..., 0], self.ids, path, colours=False)

    def _choose_numbers(self, stored: StoredMask) -> NDArray[Any]:
        """Return the numbers of a mask: as stored, or as shown where only those are classes.

        White is 1 of one bit and 255 of eight: beside masks of 0 and 255 it is 255 in both.
        """
        if stored.white is not None and all(each in self.ids for each in range(stored.white + 1)):
            return stored.values
        shades = stored.shades()
        if shades is None:
            return stored.values
        used = stored.find_used()
        if all(number in self.ids for number in used.tolist()):
            return stored.values
        blends = stored.white is not None and self.soft_edges in ("nearest", "unlabelled")
        if all(shade in self.ids for shade in shades[used].tolist()) or blends:
            return np.asarray(shades.clip(min=0).astype(np.uint8)[stored.values])
        return stored.values

    def _decode_palette(self, stored: StoredMask, path: str) -> LabelMap:
        """Return the labels of a mask whose indices have colours, where classes have them too.

        The colours count where all that occur are of classes, but for those of the number that is
        unlabelled, as 255 of VOC; otherwise the index, if no colour says another class.
        """
        codes = stored.palette_codes()
        assert codes is not None
        by_colour = np.array([self.colours.get(code, -1) for code in codes.tolist()], np.int16)
        by_index = np.array([self.ids.get(index, -1) for index in range(256)], np.int16)
        if self.palettes_differ or not self.ids:
            by_index[:] = -1
        both = (by_colour >= 0) & (by_index >= 0) & (by_colour != by_index)
        if both.any():
            used = stored.find_used()
            of_no_class = by_index == self.labels.ignore_index
            shown = np.where((by_colour < 0) & of_no_class, by_index, by_colour)
            if (shown[used] >= 0).all():
                by_index = shown
            elif (wrong := used[both[used]]).size:
                raise self._contradiction_error(int(wrong[0]), codes, by_colour, by_index, path)
        joined = np.where(by_index >= 0, by_index, by_colour)
        labels = joined[stored.values]
        if (labels >= 0).all():
            return labels.astype(np.uint8)
        if (by_index >= 0).any():
            known = {index: int(joined[index]) for index in np.flatnonzero(joined >= 0).tolist()}
            return self._look_up(stored.values, known, path, colours=False)
        return self._look_up(codes[stored.values], self.colours, path, colours=True)

    def _contradiction_error(
        self,
        index: int,
        codes: NDArray[np.int32],
        by_colour: NDArray[np.int16],
        by_index: NDArray[np.int16],
        path: str,
    ) -> LabelValueError:
        names = (*self.labels.names, *["unlabelled"] * 256)
        colour = format_value(int(codes[index]), True)
        return LabelValueError(
            f"the mask {path} stores {index}, which is {colour} in its palette: the number is "
            f"{names[by_index[index]]}, the colour {names[by_colour[index]]}, and others are "
            "colours of no class; correct `names` or `colours` in the classes' yaml, or save "
            "masks in the colours of the classes"
        )

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
