"""Labels that a person gave to a frame, in the place of those of a network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from outtake.core.frames import LabelledFrame
from outtake.core.types import LabelMap


def keep_known_labels(
    clip: Iterable[LabelledFrame], known: Mapping[int, LabelMap], first_number: int = 0
) -> Iterator[LabelledFrame]:
    """Yield each frame with the labels that are known of it, and those of the network elsewhere.

    Known pixels are certain, and no vote of other frames changes them. Where nothing is
    unlabelled, no pixel of the frame is unsure.

    Args:
        clip: The frames, consecutive.
        known: Labels, uint8 (H, W) of the frames' size, by the number of the frame.
        first_number: The number of the first frame.
    """
    for number, frame in enumerate(clip, first_number):
        labels = known.get(number)
        yield frame if labels is None else _with_known(frame, labels)


def _with_known(frame: LabelledFrame, known: LabelMap) -> LabelledFrame:
    is_known = known != frame.label_space.ignore_index
    confidence, uncertain = frame.confidence, frame.uncertain_share
    if confidence is not None:
        confidence = np.where(is_known, np.asarray(1, confidence.dtype), confidence)
    if is_known.all():
        uncertain = 0.0
    labels = np.where(is_known, known, frame.labels)
    return replace(
        frame, labels=labels, confidence=confidence, uncertain_share=uncertain, known=is_known
    )
