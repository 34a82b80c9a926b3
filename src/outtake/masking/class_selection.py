"""The pixels that a frame's labels select, by class and confidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import ConfigError
from outtake.core.frames import LabelledFrame
from outtake.core.types import LabelMap

BinaryMask = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class SelectedFrame:
    """A labelled frame and the pixels selected in it so far.

    Attributes:
        labelled: The frame with its labels.
        mask: uint8 (H, W), 0 or 1; the receiver may write to it.
    """

    labelled: LabelledFrame
    mask: BinaryMask


class ClassSelector:
    """Selects the pixels of some classes whose confidence is high enough.

    Hysteresis (Canny 1986): a pixel counts from ``low`` on if it is connected, in the same frame,
    to one that reaches its class's threshold.

    Args:
        ids: The classes.
        thresholds: The probability from which a pixel of a class counts, by class id; absent is 0.
        low: The probability from which a pixel counts that is connected to one that counts; None
            is half of its class's threshold.

    Attributes:
        needs_confidence: Whether a threshold is set.
    """

    def __init__(
        self, ids: Sequence[int], thresholds: Mapping[int, float], low: float | None = None
    ) -> None:
        self._class_lut = np.zeros(256, np.uint8)
        self._class_lut[list(ids)] = 1
        self._thresholds = np.zeros(256, np.float32)
        for index, value in thresholds.items():
            self._thresholds[index] = value
        self._low_thresholds = (
            self._thresholds / 2 if low is None else np.minimum(self._thresholds, np.float32(low))
        )
        self.needs_confidence = bool(self._thresholds[list(ids)].any())

    def __call__(self, clip: Iterable[LabelledFrame]) -> Iterator[SelectedFrame]:
        """Yield each frame with its selected pixels.

        Raises:
            ConfigError: A threshold is set and a frame has no confidence.
        """
        for item in clip:
            yield SelectedFrame(item, self.select(item))

    def select_classes(self, labels: LabelMap) -> BinaryMask:
        """Return where a label map has one of the classes, whatever the confidence."""
        return np.asarray(cv2.LUT(np.ascontiguousarray(labels), self._class_lut), np.uint8)

    def select(self, item: LabelledFrame) -> BinaryMask:
        """Return the selected pixels of one frame, uint8 (H, W), 0 or 1."""
        labels = np.ascontiguousarray(item.labels)
        selected = self.select_classes(labels)
        if not self.needs_confidence:
            return selected
        if item.confidence is None:
            raise ConfigError(
                "mask.threshold is set, but the labels come without confidence; "
                "set mask.threshold=0, or use a backend that gives confidence"
            )
        x, y, width, height = cv2.boundingRect(selected)
        box = (slice(y, y + height), slice(x, x + width))
        confidence = item.confidence[box]
        candidates = selected[box] & (confidence >= self._low_thresholds[labels[box]])
        seeds = candidates & (confidence >= self._thresholds[labels[box]])
        out = np.zeros_like(selected)
        if seeds.any():
            out[box] = keep_connected(candidates, seeds)
        return out


def keep_connected(mask: BinaryMask, seeds: BinaryMask) -> BinaryMask:
    """Return the regions (8-connected) of a mask, uint8 (h, w), that hold a seed."""
    count, regions = cv2.connectedComponents(mask, connectivity=8)
    keep = np.zeros(count, np.uint8)
    keep[regions[seeds > 0]] = 1
    keep[0] = 0
    return np.asarray(keep[regions], np.uint8)
