"""Masks from files instead of from labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from outtake.core.errors import ConfigError, VideoError
from outtake.core.frames import MaskedFrame, MaskStatistics
from outtake.core.types import TimedFrame
from outtake.masking.mask_source import MaskOfFrame, fits, resize_mask
from outtake.masking.morphology import dilate_mask


def pair_masks(
    clip: Iterable[TimedFrame],
    masks: Iterable[MaskOfFrame],
    *,
    grow: float = 0.0,
    first_number: int = 0,
    whole_size: tuple[int, int] | None = None,
    may_continue: Callable[[], bool] = lambda: False,
) -> Iterator[MaskedFrame]:
    """Pair a clip with its masks, frame by frame; times do not matter.

    Args:
        clip: The frames.
        masks: As many masks. Those of another size but the same shape are resized.
        grow: The fraction of the frame's height by which each mask is dilated; exported masks are
            dilated already.
        first_number: The number of the clip's first frame, for messages.
        whole_size: The height and width of the clip, whose shape masks must have; None where these
            are those of ``clip``. Frames of a preview are smaller, and may be of another shape
            because their sides are even.
        may_continue: Called when the clip ends before its masks; returns whether that has a reason
            that is reported elsewhere, such as damage or an interruption.

    Raises:
        ConfigError: ``grow`` is out of range; in the iteration, a mask has another shape than its
            frame, or than the clip.
        VideoError: In the iteration, one of the two ends before the other.
    """
    if not 0 <= grow < 1:
        raise ConfigError(f"masks.grow={grow}: must be at least 0 and below 1")
    return _pair(clip, masks, grow, first_number, whole_size, may_continue)


def _pair(
    clip: Iterable[TimedFrame],
    masks: Iterable[MaskOfFrame],
    grow: float,
    first: int,
    whole_size: tuple[int, int] | None,
    may_continue: Callable[[], bool],
) -> Iterator[MaskedFrame]:
    masks = iter(masks)
    number = first - 1  # the part that remains may have no frame
    for number, frame in enumerate(clip, first):
        of_frame = next(masks, None)
        if of_frame is None:
            raise VideoError(
                f"masks end before frame {number} (counted from 0), but the clip continues; "
                "give one mask for each frame, black where nothing is removed"
            )
        given, contents = of_frame
        height, width = frame.image.shape[:2]
        size = whole_size or (height, width)
        if not fits((given.shape[0], given.shape[1]), size):
            raise ConfigError(
                f"the mask of frame {number} is {given.shape[1]}x{given.shape[0]}, "
                f"but the frame is {size[1]}x{size[0]}; masks must have the clip's size, or its "
                "shape"
            )
        mask = dilate_mask(resize_mask(given, (height, width)), round(grow * height))
        statistics = MaskStatistics(contents=contents)
        yield MaskedFrame(frame, mask.view(np.bool_), statistics=statistics)
    if not may_continue() and next(masks, None) is not None:
        raise VideoError(
            f"the clip ends with frame {number} (counted from 0), but masks continue; "
            "give one mask for each frame"
        )
