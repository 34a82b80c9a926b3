"""What removers that look at each frame by itself have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from outtake.core.frames import (
    SYNTHESISED,
    FilledFrame,
    FillStatistics,
    MaskedFrame,
    fill_hole,
)
from outtake.core.types import Frame, Mask


def map_frames(
    clip: Iterable[MaskedFrame],
    change: Callable[[Frame, Mask], Frame],
    *,
    synthesises: bool = False,
) -> Iterator[FilledFrame]:
    """Yield each frame changed; one without a hole and a context frame stay as they are.

    Args:
        clip: The frames.
        change: Makes a new picture from a picture and its mask.
        synthesises: Whether ``change`` synthesises all that it fills; then statistics say so.
    """
    for item in clip:
        if not item.is_output or not item.mask.any():
            yield copy_unchanged(item, FillStatistics() if synthesises else None)
            continue
        frame = fill_hole(item.frame, change(item.frame.image, item.mask), item.mask)
        yield FilledFrame(item, frame, synthesised_statistics(item.mask) if synthesises else None)


def copy_unchanged(item: MaskedFrame, statistics: FillStatistics | None = None) -> FilledFrame:
    """Return a frame whose picture is a copy of what went in."""
    image16 = item.frame.image16
    if image16 is not None:
        image16 = image16.copy()
    frame = replace(item.frame, image=contiguous_copy(item.frame.image), image16=image16)
    return FilledFrame(item, frame, statistics)


def synthesised_statistics(mask: Mask) -> FillStatistics:
    """Return the statistics of a fill in which no other frame had any part."""
    return FillStatistics(synthesised=1.0, origin=mask.astype(np.uint8) * np.uint8(SYNTHESISED))


def contiguous_copy(image: Frame) -> Frame:
    """Return a contiguous copy, which the next stage may write to."""
    return np.array(image, order="C")
