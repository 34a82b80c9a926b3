"""Labels for every frame from a network that sees only some of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import ConfigError
from outtake.core.frames import LabelledFrame
from outtake.core.types import TimedFrame
from outtake.motion.optical_flow import (
    Floats,
    GreyImage,
    Positions,
    compute_flow,
    reduce_to_grey,
    upsample_positions,
    warp_image,
)

Predict = Callable[[Iterable[TimedFrame]], Iterator[LabelledFrame]]

_LONGEST_SIDE_PX = 320
_LARGEST_STRIDE = 64
# Grey levels by which the farther key frame must fit better, for each frame that it is farther.
_NEARER = 1.0


class CarriedLabels:
    """Asks the network about key frames only, and carries their labels to the frames in between.

    Labels move along optical flow from the key frame before and the one after; at each pixel the
    one counts whose picture, moved in the same way, looks more like the frame. Where frames start
    at a multiple of ``every``, the labels between two key frames follow from the frames between
    them alone. Holds as many frames as lie between the key frames of one batch.

    Args:
        predict: labels frames, one for each in the same order, such as a ``Predictor``.
        every: distance between key frames; 1 asks about each frame.

    Attributes:
        stride: a clip must be begun at a frame number that is a multiple of it: ``every``, times
            the ``stride`` of ``predict`` if it has one.

    Raises:
        ConfigError: ``every`` is out of range.
    """

    def __init__(self, predict: Predict, every: int) -> None:
        if not 1 <= every <= _LARGEST_STRIDE:
            raise ConfigError(
                f"segment_every={every}: must be at least 1 and at most {_LARGEST_STRIDE}"
            )
        self._predict = predict
        self._every = every
        self.stride = every * int(getattr(predict, "stride", 1))

    def __call__(self, clip: Iterable[TimedFrame]) -> Iterator[LabelledFrame]:
        """Yield each frame with labels; confidence comes along where the network gives it.

        Args:
            clip: consecutive frames, of which the first is a key frame.
        """
        if self._every == 1:
            yield from self._predict(clip)
            return
        waiting: deque[TimedFrame] = deque()

        def keys() -> Iterator[TimedFrame]:
            for number, frame in enumerate(clip):
                if number % self._every == 0:
                    yield frame
                else:
                    waiting.append(frame)

        before: LabelledFrame | None = None
        for key in self._predict(keys()):
            if before is not None:
                between = [waiting.popleft() for _ in range(self._every - 1)]
                yield from _carried(before, between, key)
            yield key
            before = key
        if before is not None and waiting:
            yield from _carried(before, list(waiting), None)


@dataclass(frozen=True, slots=True)
class _Source:
    """A key frame as seen from a frame: where its pixels are in it, and how far it is off."""

    key: LabelledFrame
    positions: Positions
    off: Floats


def _carried(
    before: LabelledFrame, between: Sequence[TimedFrame], after: LabelledFrame | None
) -> Iterator[LabelledFrame]:
    frames = [before.frame, *between] + ([] if after is None else [after.frame])
    greys = [reduce_to_grey(frame.image, _LONGEST_SIDE_PX) for frame in frames]
    forward = _sources(before, greys)
    if after is None:
        backward: list[_Source | None] = [None] * len(between)
    else:
        backward = list(reversed(_sources(after, greys[::-1])[: len(between)]))
    for number, frame in enumerate(between):
        source, other = forward[number], backward[number]
        if other is None:
            yield _moved(source, frame)
            continue
        nearer = _NEARER * ((len(between) - number) - (number + 1))
        yield _mixed(_moved(source, frame), _moved(other, frame), other.off + nearer < source.off)


def _sources(key: LabelledFrame, greys: Sequence[GreyImage]) -> list[_Source]:
    """Return the key frame as seen from each picture after the first, which is its own."""
    found: list[_Source] = []
    for index in range(1, len(greys)):
        positions = compute_flow(greys[index], greys[index - 1])
        if found:
            positions = warp_image(found[-1].positions, positions)
        off = cv2.absdiff(greys[index], warp_image(greys[0], positions))
        found.append(_Source(key, positions, cv2.blur(off.astype(np.float32), (9, 9))))
    return found


def _moved(source: _Source, frame: TimedFrame) -> LabelledFrame:
    key = source.key
    positions = upsample_positions(source.positions, *key.labels.shape)
    labels = cv2.remap(
        key.labels, positions, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
    )
    sure = None
    if key.confidence is not None:
        sure = warp_image(key.confidence.astype(np.float32), positions)
    return LabelledFrame(frame, np.asarray(labels, np.uint8), key.label_space, sure)


def _mixed(
    one: LabelledFrame, other: LabelledFrame, takes_other: NDArray[np.bool_]
) -> LabelledFrame:
    if not takes_other.any():
        return one
    size = one.labels.shape[::-1]
    share = cv2.resize(takes_other.astype(np.uint8) * 255, size, interpolation=cv2.INTER_LINEAR)
    chosen = share > 127
    labels = np.where(chosen, other.labels, one.labels)
    sure = None
    if one.confidence is not None and other.confidence is not None:
        sure = np.where(chosen, other.confidence, one.confidence)
    return LabelledFrame(one.frame, labels, one.label_space, sure)
