"""Label the frames of a clip."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice

import cv2
import numpy as np

from outtake.core.errors import ConfigError
from outtake.core.frames import LabelledFrame
from outtake.core.labels import LabelSpace
from outtake.core.oom import explain_backend_oom
from outtake.core.types import Frame, TimedFrame
from outtake.core.validate import check_number
from outtake.data.resize import resize_short_side
from outtake.data.sample_range import SampleRange
from outtake.inference.protocol import (
    Backend,
    Confidences,
    Images,
    LabelMaps,
    UncertaintyBackend,
)

LabelResult = tuple[LabelMaps, Confidences | None, list[float | None]]

_MAX_IN_FLIGHT = 2
FULL_SCALE = (0.0, 1.0)

log = logging.getLogger(__name__)


class ClipPredictor:
    """Labels the frames of a clip in batches, at the frames' own size.

    Args:
        backend: The backend that runs the network.
        labels: The classes of its ids.
        short_side: The shorter side to which frames are resized for the network, as in training;
            None leaves them as they are.
        channels: The number of channels that the network takes: 3, or 1 for grey, and those of
            its further inputs.
        further_channels: How many of them, the last ones, come with each frame in ``further``.
        batch_size: The number of frames in a batch; as many frames are held in memory.
        uncertain_ids: The classes whose uncertain share is measured, if the backend can: those
            that are removed.
        scale: The shares of a frame's full scale that the network sees as black and white.

    Attributes:
        stride: The number of frames that are labelled together. An incomplete batch is filled up
            with its last frame, so that every run of the network has the same shape and a frame's
            labels do not depend on the number of frames that follow. A part of a clip that begins
            at a multiple of this gets the same labels as in the whole clip.

    Raises:
        ConfigError: The batch is below 1, or no video has that number of channels.
    """

    def __init__(
        self,
        backend: Backend,
        labels: LabelSpace,
        *,
        short_side: int | None = None,
        channels: int = 3,
        further_channels: int = 0,
        batch_size: int = 1,
        uncertain_ids: Sequence[int] = (),
        scale: tuple[float, float] = FULL_SCALE,
    ) -> None:
        check_number("network.batch_size", batch_size, 1, whole=True)
        own = channels - further_channels
        if own not in (1, 3):
            raise ConfigError(
                f"the checkpoint takes {own} channels, and a video has 3 (or 1: grey)"
            )
        self._backend = backend
        self._labels = labels
        self._short_side = short_side
        self._channels = own
        self._further_channels = further_channels
        self._uncertain_ids = tuple(uncertain_ids)
        self._scale = scale
        self.stride = batch_size

    def __call__(self, clip: Iterable[TimedFrame]) -> Iterator[LabelledFrame]:
        """Yield each frame of ``clip``, all of one size, with its labels.

        Threads overlap the batches: the backend runs one while the one before is upsampled.
        """
        frames = iter(clip)
        waiting: deque[tuple[list[TimedFrame], Images, Future[LabelResult]]] = deque()
        pool = ThreadPoolExecutor(_MAX_IN_FLIGHT, "labels")
        try:
            while batch := list(islice(frames, self.stride)):
                height, width = batch[0].image.shape[:2]
                prepared = [self._prepare(frame) for frame in batch]
                images = np.stack(prepared + prepared[-1:] * (self.stride - len(batch)))
                found = pool.submit(self._label, images, (height, width))
                waiting.append((batch, images, found))
                if len(waiting) == _MAX_IN_FLIGHT:
                    yield from self._collect_labels(*waiting.popleft())
            while waiting:
                yield from self._collect_labels(*waiting.popleft())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _label(self, images: Images, size: tuple[int, int]) -> LabelResult:
        if self._uncertain_ids and isinstance(self._backend, UncertaintyBackend):
            return self._backend.label_with_uncertainty(images, size, self._uncertain_ids)
        return *self._backend(images, size), [None] * len(images)

    def _collect_labels(
        self, batch: list[TimedFrame], images: Images, found: Future[LabelResult]
    ) -> Iterator[LabelledFrame]:
        seen = (images.shape[1], images.shape[2])
        with explain_backend_oom(self._backend, len(images), seen, batch[0].image.shape[:2]):
            labels, confidence, uncertain = found.result()
        for index, frame in enumerate(batch):
            sure = None if confidence is None else confidence[index]
            if frame.further is not None:
                frame = replace(frame, further=None)  # nobody needs it any more
            yield LabelledFrame(frame, labels[index], self._labels, sure, uncertain[index])

    def _prepare(self, frame: TimedFrame) -> Frame:
        image = rescale_frame(frame, self._scale)
        if self._short_side is not None:
            image = resize_short_side(image, self._short_side)
        if self._channels == 1:
            image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
        if not self._further_channels:
            return image
        further = frame.further
        if further is None or further.shape[2] != self._further_channels:
            raise ConfigError(
                f"the checkpoint takes {self._further_channels} channels of further inputs beside "
                "each frame; give their clips"
            )
        if self._short_side is not None:
            further = resize_short_side(further, self._short_side)
        return np.concatenate([image, further.reshape(*image.shape[:2], -1)], axis=2)


def find_scale(trained: SampleRange | None) -> tuple[float, float]:
    """Return the shares of a frame's full scale that the network sees as black and white.

    They are those of the training images, of the depth of their samples; one line says so.

    Args:
        trained: The range of the training images; None for 8 bits.
    """
    if trained is None:
        return FULL_SCALE
    scale = trained.share_of_depth()
    what = f"of the training images {trained.describe()}"
    if scale is None:
        log.warning("%s, which no video's depth compares with: its own black and white are "
                    "seen as black and white", what)  # fmt: skip
        return FULL_SCALE
    if scale == FULL_SCALE:
        log.info("%s, all of their depth; so it is of the frames", what)
    else:
        log.info("%s: of the frames, %.1f%% and %.1f%% of full scale", what,
                 100 * scale[0], 100 * scale[1])  # fmt: skip
    return scale


def rescale_frame(frame: TimedFrame, scale: tuple[float, float]) -> Frame:
    """Return a frame, uint8 (H, W, 3), with 0 and 255 at two shares of its full scale.

    Taken from its 16 bits where it has them.
    """
    if scale == FULL_SCALE:
        return frame.image
    low, high = scale
    samples = frame.image if frame.image16 is None else frame.image16
    shares = np.linspace(0, 1, np.iinfo(samples.dtype).max + 1)
    table = ((shares - low) * (255 / (high - low))).clip(0, 255).round().astype(np.uint8)
    return np.asarray(table[samples])
