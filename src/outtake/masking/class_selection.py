"""Which pixels a frame's labels select, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import ConfigError
from outtake.core.frames import LabelledFrame
from outtake.core.types import LabelMap

Binary = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Selection:
    """A labelled frame and what of it was selected so far.

    Attributes:
        item: the frame with its labels.
        mask: uint8 (H, W), 0 or 1; whoever holds it may write to it.
    """

    item: LabelledFrame
    mask: Binary


class Selector:
    """Selects classes, and of those what is certain enough.

    Hysteresis (Canny 1986): a pixel counts from ``low`` on if it is connected to one that reaches
    its class's threshold, in the same frame.

    Args:
        ids: the classes.
        thresholds: probability from which a class counts by itself, by id; absent is 0.
        low: probability from which it counts beside one that does; None is half of its threshold.

    Attributes:
        needs_confidence: whether a threshold is set.
    """

    def __init__(
        self, ids: Sequence[int], thresholds: Mapping[int, float], low: float | None = None
    ) -> None:
        self._chosen = np.zeros(256, np.uint8)
        self._chosen[list(ids)] = 1
        self._high = np.zeros(256, np.float32)
        for index, value in thresholds.items():
            self._high[index] = value
        self._low = self._high / 2 if low is None else np.minimum(self._high, np.float32(low))
        self.needs_confidence = bool(self._high[list(ids)].any())

    def __call__(self, clip: Iterable[LabelledFrame]) -> Iterator[Selection]:
        """Yield each frame with what is selected in it.

        Raises:
            ConfigError: a threshold is set and a frame comes without confidence.
        """
        for item in clip:
            yield Selection(item, self.mask(item))

    def by_class(self, labels: LabelMap) -> Binary:
        """Return where a label map has one of the classes, however certain."""
        return np.asarray(cv2.LUT(np.ascontiguousarray(labels), self._chosen), np.uint8)

    def mask(self, item: LabelledFrame) -> Binary:
        """Return what is selected in one frame, uint8 (H, W), 0 or 1."""
        labels = np.ascontiguousarray(item.labels)
        selected = self.by_class(labels)
        if not self.needs_confidence:
            return selected
        if item.confidence is None:
            raise ConfigError(
                "mask.threshold is set, but the labels come without confidence; "
                "set mask.threshold=0, or use a backend that gives confidence"
            )
        x, y, width, height = cv2.boundingRect(selected)
        box = (slice(y, y + height), slice(x, x + width))
        sure = item.confidence[box]
        some = selected[box] & (sure >= self._low[labels[box]])
        enough = some & (sure >= self._high[labels[box]])
        out = np.zeros_like(selected)
        if enough.any():
            out[box] = connected_to(some, enough)
        return out


def connected_to(mask: Binary, seeds: Binary) -> Binary:
    """Return the regions (8-connected) of a mask, uint8 (h, w), that hold a seed."""
    count, regions = cv2.connectedComponents(mask, connectivity=8)
    keep = np.zeros(count, np.uint8)
    keep[regions[seeds > 0]] = 1
    keep[0] = 0
    return np.asarray(keep[regions], np.uint8)
