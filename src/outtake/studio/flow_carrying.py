"""Labels of two frames, carried by optical flow to the frames between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame, LabelMap
from outtake.motion.optical_flow import (
    GreyImage,
    Positions,
    compute_flow,
    reduce_to_grey,
    reduced_size,
    warp_image,
)
from outtake.studio.strokes import UNLABELLED

# Of three presets of DIS and two sizes the fastest at this one was the best
# (docs/results/studio.md).
LONGEST_PX = 432
# From so many frames away labels are not carried: by then they have drifted off.
REACH = 48
# Grey levels by which the farther frame must look more alike, per frame that it is farther away.
_DISTANCE_PENALTY_GREY = 1
# Where the frame looks so different from what was carried there, it is something else.
_STRANGE_GREY = 80


@dataclass(frozen=True)
class _Carried:
    """What a labelled frame says of another.

    Attributes:
        labels: uint8 (h, w).
        residual: By how many grey levels the frame differs around each pixel, uint8 (h, w).
    """

    labels: LabelMap
    residual: NDArray[np.uint8]


def carry_labels(
    frames: Iterable[Frame], before: LabelMap | None, after: LabelMap | None
) -> Iterator[tuple[int, LabelMap]]:
    """Yield the labels of frames between two that have some, from the last to the first.

    Each pixel takes the label of that of the two which, moved here by the flow from frame to frame,
    looks more alike; it is 255 where both look different. All is done at a longer side of 432
    pixels, of which two bytes a pixel are held for each frame.

    Args:
        frames: Consecutive frames, uint8 (H, W, 3), with those that have labels at their ends.
        before: The labels of the first frame, uint8 (H, W); None if it has none.
        after: Those of the last frame.

    Yields:
        The place of a frame in ``frames``, and its labels, uint8 (h, w).
    """
    greys: list[GreyImage] = []
    forward: list[_Carried | None] = []
    carrier: _Carrier | None = None
    for frame in frames:
        grey = reduce_to_grey(frame, LONGEST_PX)
        if before is not None and not greys:
            carrier = _Carrier(grey, reduce_labels(before))
            forward.append(None)
        else:
            forward.append(None if carrier is None else carrier.go_on(grey))
        greys.append(grey)
    if not greys:
        return
    backward = None if after is None else _Carrier(greys[-1], reduce_labels(after))
    last = len(greys) - 1
    for place in range(last, 0 if before is not None else -1, -1):
        one = forward[place]
        other = None if backward is None or place == last else backward.go_on(greys[place])
        found = _merge(one, other, (last - place) - place)
        if found is not None and (place < last or after is None):
            yield place, found


def reduce_labels(labels: LabelMap) -> LabelMap:
    """Return labels, uint8 (H, W), with their longer side at most 432."""
    size = reduced_size(labels.shape[0], labels.shape[1], LONGEST_PX)
    return np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


def enlarge_labels(labels: LabelMap, size: tuple[int, int]) -> LabelMap:
    """Return labels, uint8 (h, w), at another size, with smooth outlines."""
    if labels.shape == size:
        return labels
    best: NDArray[np.uint8] | None = None
    found = np.full(size, UNLABELLED, np.uint8)
    for value in np.unique(labels):
        share = cv2.resize(
            (labels == value).astype(np.uint8) * np.uint8(255),
            size[::-1],
            interpolation=cv2.INTER_LINEAR,
        )
        better = np.ones(size, bool) if best is None else share > best
        found[better] = value
        best = share if best is None else np.maximum(best, share)
    return found


class _Carrier:
    """Carries labels of one frame on to the next, and the next."""

    def __init__(self, grey: GreyImage, labels: LabelMap) -> None:
        self._first, self._labels, self._last = grey, labels, grey
        self._positions: Positions | None = None

    def go_on(self, grey: GreyImage) -> _Carried:
        """Return what the labels become on the next frame."""
        step = compute_flow(grey, self._last)
        self._positions = step if self._positions is None else warp_image(self._positions, step)
        self._last = grey
        labels = cv2.remap(
            self._labels, self._positions, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
        )
        difference = cv2.absdiff(grey, warp_image(self._first, self._positions))
        return _Carried(np.asarray(labels, np.uint8), np.asarray(cv2.blur(difference, (9, 9))))


def _merge(one: _Carried | None, other: _Carried | None, farther: int) -> LabelMap | None:
    """Return the labels of the two; ``farther`` is by how many frames the other one is."""
    given: Sequence[_Carried] = [each for each in (one, other) if each is not None]
    if not given:
        return None
    if one is None or other is None:
        labels, residual = given[0].labels.copy(), given[0].residual
    else:
        penalty = _DISTANCE_PENALTY_GREY * farther
        use = other.residual.astype(np.int16) + penalty < one.residual
        labels = np.where(use, other.labels, one.labels)
        residual = np.where(use, other.residual, one.residual)
    labels[residual > _STRANGE_GREY] = UNLABELLED
    return labels
