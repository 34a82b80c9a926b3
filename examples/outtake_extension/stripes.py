"""A remover: an iterator from masked frames to filled frames, one out for each in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from outtake.core.frames import FilledFrame, MaskedFrame
from outtake.core.types import Frame, Mask
from outtake.removal.per_frame import contiguous_copy, map_frames
from outtake.removal.protocol import Remover


class Stripes(Remover):
    """Cover what is masked with diagonal stripes.

    Args:
        width_px: The width of a stripe.
    """

    def __init__(self, width_px: int = 8) -> None:
        self._width_px = width_px

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[FilledFrame]:
        """Yield each frame with stripes inside its mask."""
        return map_frames(clip, self._draw)

    def _draw(self, image: Frame, mask: Mask) -> Frame:
        rows, columns = np.nonzero(mask)
        striped = contiguous_copy(image)
        bright = ((rows + columns) // self._width_px % 2).astype(np.uint8)
        striped[mask] = (bright * np.uint8(255))[:, None]
        return striped
