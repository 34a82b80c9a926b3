"""Masks from a clip of masks instead of from labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import cv2
import numpy as np

from outtake.core.errors import ConfigError, VideoError
from outtake.core.frames import MaskedFrame, MaskStatistics
from outtake.core.types import Frame, TimedFrame
from outtake.masking.class_selection import BinaryMask
from outtake.masking.mask_statistics import count_values
from outtake.masking.morphology import dilate_mask

# White on black survives a lossy codec.
_BRIGHTNESS_THRESHOLD = 127


def pair_masks(
    clip: Iterable[TimedFrame],
    masks: Iterable[TimedFrame],
    *,
    dilate: float = 0.0,
    first_number: int = 0,
    ended_early: Callable[[], bool] = lambda: False,
) -> Iterator[MaskedFrame]:
    """Pair a clip with a clip of its masks, frame by frame; their times do not matter.

    Args:
        clip: The frames.
        masks: As many pictures of the same size; what is brighter than 127 in any colour is
            removed.
        dilate: The fraction of the frame's height by which each mask is dilated; exported masks
            are dilated already.
        first_number: The number of the clip's first frame, for messages.
        ended_early: Called when the clip ends before its masks; returns whether that has a reason
            that is reported elsewhere, such as damage or an interruption.

    Raises:
        ConfigError: ``dilate`` is out of range; in the iteration, a mask has another size than
            its frame.
        VideoError: In the iteration, one of the two ends before the other.
    """
    if not 0 <= dilate < 1:
        raise ConfigError(f"mask.dilate={dilate}: must be at least 0 and below 1")
    return _pair(clip, masks, dilate, first_number, ended_early)


def _pair(
    clip: Iterable[TimedFrame],
    masks: Iterable[TimedFrame],
    dilate: float,
    first: int,
    ended_early: Callable[[], bool],
) -> Iterator[MaskedFrame]:
    mask_frames = iter(masks)
    number = first - 1  # the part that remains may have no frame
    for number, frame in enumerate(clip, first):
        picture = next(mask_frames, None)
        if picture is None:
            raise VideoError(
                f"masks end before frame {number} (counted from 0), but the clip continues; "
                "give one mask for each frame, black where nothing is removed"
            )
        height, width = frame.image.shape[:2]
        if picture.image.shape[:2] != (height, width):
            raise ConfigError(
                f"the mask of frame {number} is {picture.image.shape[1]}x{picture.image.shape[0]}, "
                f"but the frame is {width}x{height}; masks must have the clip's size"
            )
        mask = dilate_mask(_threshold_brightness(picture.image), round(dilate * height))
        statistics = MaskStatistics(contents=count_values(picture.image))
        yield MaskedFrame(frame, mask.view(np.bool_), statistics=statistics)
    if not ended_early() and next(mask_frames, None) is not None:
        raise VideoError(
            f"the clip ends with frame {number} (counted from 0), but masks continue; "
            "give one mask for each frame"
        )


def _threshold_brightness(picture: Frame) -> BinaryMask:
    red, green, blue = cv2.split(picture)
    brightest = cv2.max(cv2.max(red, green), blue)
    return np.asarray(
        cv2.threshold(brightest, _BRIGHTNESS_THRESHOLD, 1, cv2.THRESH_BINARY)[1], np.uint8
    )
