"""Make what is masked transparent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from outtake.core.frames import FilledFrame, MaskedFrame
from outtake.core.mask_regions import inner_ramp
from outtake.core.types import Frame, Mask
from outtake.core.validate import check_number
from outtake.removal.per_frame import contiguous_copy
from outtake.removal.protocol import Remover


class Alpha(Remover):
    """Adds a fourth channel: 0 where something is masked, 255 elsewhere.

    The colours stay as they are, also where the frame is transparent (straight alpha). What the
    source itself has of transparency is added where the picture is stored.

    Args:
        soft_edge: The width of the transition inside the mask, as a fraction of the frame's
            height.

    Raises:
        ConfigError: The width is out of its range.
    """

    channels = 4

    def __init__(self, soft_edge: float = 0.0) -> None:
        check_number("remover.soft_edge", soft_edge, 0, 1)
        self._soft_edge = soft_edge

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[FilledFrame]:
        """Yield each frame as uint8 (H, W, 4) RGBA; 16-bit colours stay as they are too."""
        for item in clip:
            frame, opacity = item.frame, self._opacity(item.mask)
            image16 = frame.image16
            if image16 is not None:
                image16 = np.dstack((image16, opacity * np.uint16(257)))
            image = np.dstack((frame.image, opacity))
            yield FilledFrame(item, replace(frame, image=image, image16=image16))

    def _opacity(self, mask: Mask) -> NDArray[np.uint8]:
        inside = inner_ramp(mask, self._soft_edge * mask.shape[0])
        return np.rint(255 * (1 - inside)).astype(np.uint8)


def blend_inside_mask(image: Frame, background: Frame, mask: Mask, soft_edge: float) -> Frame:
    """Return a copy of a picture with another one inside its mask, and a soft edge."""
    result = contiguous_copy(image)
    width_px = soft_edge * mask.shape[0]
    if width_px <= 0:
        result[mask] = background[mask]
        return result
    share = inner_ramp(mask, width_px)[mask][:, None]
    result[mask] = np.rint(share * background[mask] + (1 - share) * image[mask])
    return result
