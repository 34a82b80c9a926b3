"""What removers that look at each frame by itself have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from outtake.core.frames import SYNTHESISED, FillStatistics, MaskedFrame, replace_image
from outtake.core.types import Frame, Mask, TimedFrame


def map_frames(
    clip: Iterable[MaskedFrame],
    change: Callable[[Frame, Mask], Frame],
    statistics: list[FillStatistics] | None = None,
) -> Iterator[TimedFrame]:
    """Yield each frame as ``change`` makes it; one without a hole, or not wanted, as it is.

    Args:
        clip: the frames.
        change: makes a new picture from a picture and its mask.
        statistics: gets an entry for each frame, if ``change`` makes up all that it fills.
    """
    for item in clip:
        changed = item.is_output and bool(item.mask.any())
        image = (
            change(item.frame.image, item.mask) if changed else contiguous_copy(item.frame.image)
        )
        if statistics is not None:
            statistics.append(synthesised_statistics(item.mask) if changed else FillStatistics())
        yield replace_image(item.frame, image)


def synthesised_statistics(mask: Mask) -> FillStatistics:
    """Return the facts of a frame of which no other frame had any part in the fill."""
    return FillStatistics(synthesised=1.0, origin=mask.astype(np.uint8) * np.uint8(SYNTHESISED))


def contiguous_copy(image: Frame) -> Frame:
    """Return a contiguous copy, for whoever comes next to write to."""
    return np.array(image, order="C")
