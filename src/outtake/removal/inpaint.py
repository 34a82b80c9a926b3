"""Inpaint each frame from the surroundings of the hole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from outtake.core.errors import ConfigError
from outtake.core.frames import FilledFrame, MaskedFrame
from outtake.core.mask_regions import split_regions
from outtake.core.types import Frame, Mask
from outtake.core.validate import check_number
from outtake.removal.per_frame import contiguous_copy, map_frames
from outtake.removal.protocol import Remover

METHODS = {"telea": cv2.INPAINT_TELEA, "ns": cv2.INPAINT_NS}
_GREY = 128


class Inpaint(Remover):
    """Continues the surroundings into the hole, each frame by itself.

    Regions are filled one by one on a crop, so the cost depends on the hole and not on the frame.

    Args:
        method: ``telea`` (Telea 2004, fast marching) or ``ns`` (Bertalmio et al. 2001,
            Navier-Stokes).
        radius_px: The radius around each pixel that is looked at.

    Raises:
        ConfigError: The method is unknown, or the radius is below 1.
    """

    shows_background = True
    knows_origins = True

    def __init__(self, method: str = "telea", radius_px: int = 3) -> None:
        if method not in tuple(METHODS):  # [telea] has no hash
            raise ConfigError(f"remover.method={method}: unknown; use {', '.join(METHODS)}")
        check_number("remover.radius_px", radius_px, 1, whole=True)
        self._method = METHODS[method]
        self._radius_px = radius_px

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[FilledFrame]:
        """Yield each frame with its hole filled."""
        return map_frames(clip, self.fill, synthesises=True)

    def fill(self, image: Frame, mask: Mask, vague: Mask | None = None) -> Frame:
        """Return a copy of an RGB image with its hole filled; grey where all of it is hole."""
        filled = contiguous_copy(image)
        if mask.all():
            filled[:] = _GREY
            return filled
        for crop, own in split_regions(mask, margin_px=self._radius_px + 2):
            unknown = mask[crop].astype(np.uint8)
            # Telea and Navier-Stokes treat the channels alike, so RGB need not become BGR.
            fill = cv2.inpaint(
                np.ascontiguousarray(image[crop]), unknown, self._radius_px, self._method
            )
            filled[crop][own] = fill[own]
        return filled
