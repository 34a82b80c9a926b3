"""Labels for every frame from a network that sees only key frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

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

_LONGEST_SIDE_PX = 320
_MAX_INTERVAL = 64
# Grey levels by which the farther key frame must fit better, per frame of additional distance.
_DISTANCE_PENALTY_GREY = 1.0


class ClipLabeller(Protocol):
    """Labels the frames of a clip.

    A frame has the same labels wherever a clip starts, if that is at a multiple of ``stride``.

    Attributes:
        stride: The number of frames that are labelled together.
    """

    @property
    def stride(self) -> int:
        """The number of frames that are labelled together."""
        ...

    def __call__(self, clip: Iterable[TimedFrame]) -> Iterator[LabelledFrame]:
        """Yield each frame with its labels, in order."""
        ...


class LabelPropagator:
    """Runs the network on key frames only, and propagates their labels to the frames in between.

    Labels are warped by optical flow from the key frame before and the one after. At each pixel
    the key frame counts whose picture, warped in the same way, looks more like the frame. If a
    clip starts at a multiple of ``key_frame_interval``, the labels between two key frames depend
    on the frames between them alone. Holds as many frames as lie between the key frames of one
    batch.

    Args:
        labeller: Labels the key frames, such as a ``ClipPredictor``.
        key_frame_interval: The distance between key frames; 1 labels every frame.

    Attributes:
        stride: ``key_frame_interval`` times the ``stride`` of the labeller.

    Raises:
        ConfigError: ``key_frame_interval`` is out of range.
    """

    def __init__(self, labeller: ClipLabeller, key_frame_interval: int) -> None:
        if not 1 <= key_frame_interval <= _MAX_INTERVAL:
            raise ConfigError(
                f"network.every={key_frame_interval}: must be at least 1 and at most "
                f"{_MAX_INTERVAL}"
            )
        self._labeller = labeller
        self._key_frame_interval = key_frame_interval
        self.stride = key_frame_interval * labeller.stride

    def __call__(self, clip: Iterable[TimedFrame]) -> Iterator[LabelledFrame]:
        """Yield each frame with labels, and with confidence if the network returns it.

        Args:
            clip: Consecutive frames, of which the first is a key frame.
        """
        if self._key_frame_interval == 1:
            yield from self._labeller(clip)
            return
        waiting: deque[TimedFrame] = deque()

        def keys() -> Iterator[TimedFrame]:
            for number, frame in enumerate(clip):
                if number % self._key_frame_interval == 0:
                    yield frame
                else:
                    waiting.append(frame)

        before: LabelledFrame | None = None
        for key in self._labeller(keys()):
            if before is not None:
                between = [waiting.popleft() for _ in range(self._key_frame_interval - 1)]
                yield from _propagate(before, between, key)
            yield key
            before = key
        if before is not None and waiting:
            yield from _propagate(before, list(waiting), None)


@dataclass(frozen=True, slots=True)
class _WarpedKeyFrame:
    """A key frame warped to a frame.

    Attributes:
        key: The key frame.
        positions: Where the frame's pixels are in the key frame.
        residual: The blurred grey difference to the frame.
    """

    key: LabelledFrame
    positions: Positions
    residual: Floats


def _propagate(
    before: LabelledFrame, between: Sequence[TimedFrame], after: LabelledFrame | None
) -> Iterator[LabelledFrame]:
    frames = [before.frame, *between] + ([] if after is None else [after.frame])
    greys = [reduce_to_grey(frame.image, _LONGEST_SIDE_PX) for frame in frames]
    forward = _warp_key_frame(before, greys)
    if after is None:
        backward: list[_WarpedKeyFrame | None] = [None] * len(between)
    else:
        backward = list(reversed(_warp_key_frame(after, greys[::-1])[: len(between)]))
    for number, frame in enumerate(between):
        source, other = forward[number], backward[number]
        if other is None:
            yield _warp_labels(source, frame)
            continue
        nearer = _DISTANCE_PENALTY_GREY * ((len(between) - number) - (number + 1))
        yield _merge_labels(
            _warp_labels(source, frame),
            _warp_labels(other, frame),
            other.residual + nearer < source.residual,
        )


def _warp_key_frame(key: LabelledFrame, greys: Sequence[GreyImage]) -> list[_WarpedKeyFrame]:
    """Return the key frame warped to each picture after the first, which is its own."""
    found: list[_WarpedKeyFrame] = []
    for index in range(1, len(greys)):
        positions = compute_flow(greys[index], greys[index - 1])
        if found:
            positions = warp_image(found[-1].positions, positions)
        difference = cv2.absdiff(greys[index], warp_image(greys[0], positions))
        found.append(
            _WarpedKeyFrame(key, positions, cv2.blur(difference.astype(np.float32), (9, 9)))
        )
    return found


def _warp_labels(source: _WarpedKeyFrame, frame: TimedFrame) -> LabelledFrame:
    key = source.key
    positions = upsample_positions(source.positions, *key.labels.shape)
    labels = cv2.remap(
        key.labels, positions, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
    )
    confidence = None
    if key.confidence is not None:
        confidence = warp_image(key.confidence.astype(np.float32), positions)
    return LabelledFrame(frame, np.asarray(labels, np.uint8), key.label_space, confidence)


def _merge_labels(
    one: LabelledFrame, other: LabelledFrame, use_other: NDArray[np.bool_]
) -> LabelledFrame:
    if not use_other.any():
        return one
    size = one.labels.shape[::-1]
    share = cv2.resize(use_other.astype(np.uint8) * 255, size, interpolation=cv2.INTER_LINEAR)
    chosen = share > 127
    labels = np.where(chosen, other.labels, one.labels)
    confidence = None
    if one.confidence is not None and other.confidence is not None:
        confidence = np.where(chosen, other.confidence, one.confidence)
    return LabelledFrame(one.frame, labels, one.label_space, confidence)
