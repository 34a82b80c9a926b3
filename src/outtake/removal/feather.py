"""A soft seam inside the mask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.frames import FilledFrame, MaskedFrame
from outtake.core.types import Frame, Mask, TimedFrame
from outtake.removal.outer_remover import FillRemover
from outtake.removal.protocol import Remover

Image16 = NDArray[np.uint16]


class FeatherRemover(FillRemover):
    """A remover whose fill fades into the frame over a rim inside the mask.

    Pixels outside the mask stay bit for bit. In the rim the frame shows through, so it must not be
    wider than the dilation of the mask, or the object's edge becomes visible.

    Args:
        remover: The remover that fills the mask.
        feather: The width of the rim as a fraction of the frame's height.
        by_fields: Whether the rows of a frame are of two moments in turn: each has a mask of its
            own then, and a rim in that.

    Raises:
        ConfigError: ``feather`` is out of range, or the remover has no seam: it changes pixels
            outside the mask, or its frames have alpha.
    """

    def __init__(self, remover: Remover, feather: float, *, by_fields: bool = False) -> None:
        super().__init__(remover, "mask.feather", feather, 0.1)
        self.feather = feather
        self._by_fields = by_fields

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[FilledFrame]:
        """Yield each frame with its mask filled, and a soft seam.

        Raises:
            ConfigError: The remover changes the size of frames.
        """
        for filled in self.remover(clip):
            self.check_size(filled)
            frame = self._feather_frame(filled.source, filled.frame)
            yield replace(filled, frame=frame)

    def _feather_frame(self, item: MaskedFrame, filled: TimedFrame) -> TimedFrame:
        frame = item.frame
        rim_px = self.feather * item.mask.shape[0]
        if rim_px < 1 or not item.mask.any():
            return filled
        depth_px = _measure_field_depth if self._by_fields else _measure_depth
        rim, share = _find_rim(item.mask, depth_px(item.mask), rim_px)
        image16 = filled.image16
        if image16 is not None and frame.image16 is not None:
            image16 = cast("Image16", _blend_rim(frame.image16, image16, rim, share))
        image = cast("Frame", _blend_rim(frame.image, filled.image, rim, share))
        return replace(filled, image=image, image16=image16)


def _measure_depth(mask: Mask) -> NDArray[np.float32]:
    """Return how deep inside a mask each pixel lies, in pixels, float32 (H, W)."""
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.asarray(depth, np.float32)


def _measure_field_depth(mask: Mask) -> NDArray[np.float32]:
    """Return how deep inside the mask of its own field each pixel lies, float32 (H, W).

    In pixels of the frame, in which a row of a field is two pixels high.
    """
    depth = np.zeros(mask.shape, np.float32)
    for row in range(min(len(mask), 2)):
        tall = _measure_depth(np.repeat(mask[row::2], 2, axis=0))
        depth[row::2] = tall[::2] / 2 + tall[1::2] / 2
    return depth


def _find_rim(
    mask: Mask, depth_px: NDArray[np.float32], rim_px: float
) -> tuple[Mask, NDArray[np.float32]]:
    """Return the rim inside the mask, bool (H, W), and the fill's share there, float (n, 1)."""
    rim = mask & (depth_px <= rim_px)
    return rim, np.asarray(depth_px[rim] / np.float32(rim_px + 1), np.float32)[:, None]


def _blend_rim(
    frame: NDArray[np.unsignedinteger],
    filled: NDArray[np.unsignedinteger],
    rim: Mask,
    share: NDArray[np.float32],
) -> NDArray[np.unsignedinteger]:
    out = filled.copy()
    under = frame[rim].astype(np.float32)
    out[rim] = np.rint(under + share * (filled[rim] - under)).astype(frame.dtype)
    return out
