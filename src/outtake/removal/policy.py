"""From classes to masks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.errors import ConfigError
from outtake.labels import LabelSpace
from outtake.removal.stages import LabelledFrame, MaskedFrame
from outtake.types import LabelMap, Mask


class MaskPolicy:
    """Turns label maps into masks, one for each frame.

    A stage over the whole clip, so that a policy that looks at neighbouring frames fits in.

    Args:
        ids: the classes that are removed.
        dilate: the mask grows by this fraction of the frame's height, with a round tip. An edge
            that the mask misses leaves a ghost outline; 1.7% was best where it was measured.
        min_area: regions smaller than this fraction of the frame are dropped, before growing.
        fill_holes: gaps that a region encloses belong to it, if they are smaller than itself.

    Raises:
        ConfigError: a fraction outside 0..1.
    """

    def __init__(
        self,
        ids: Sequence[int],
        *,
        dilate: float = 0.017,
        min_area: float = 0.0,
        fill_holes: bool = True,
    ) -> None:
        for name, value in (("dilate", dilate), ("min_area", min_area)):
            if not 0 <= value < 1:
                raise ConfigError(f"mask.{name}={value}: must be at least 0 and below 1")
        self.ids = tuple(ids)
        self._chosen = np.zeros(256, np.uint8)
        self._chosen[list(self.ids)] = 1
        self._dilate = dilate
        self._min_area = min_area
        self._fill_holes = fill_holes

    @classmethod
    def named(
        cls,
        labels: LabelSpace,
        *,
        remove: Sequence[str] = (),
        keep_only: Sequence[str] = (),
        dilate: float = 0.017,
        min_area: float = 0.0,
        fill_holes: bool = True,
    ) -> Self:
        """Choose classes by name: those in ``remove``, or all that are not in ``keep_only``.

        Raises:
            UnknownClassError: a name that is no class.
            ConfigError: both are given.
        """
        if remove and keep_only:
            raise ConfigError("remove and keep_only exclude each other; set one of them")
        ids = labels.ids(remove)
        if keep_only:
            kept = set(labels.ids(keep_only))
            ids = tuple(index for index in range(len(labels.names)) if index not in kept)
        return cls(ids, dilate=dilate, min_area=min_area, fill_holes=fill_holes)

    def __call__(self, clip: Iterable[LabelledFrame]) -> Iterator[MaskedFrame]:
        """Yield each frame with its mask."""
        for item in clip:
            yield MaskedFrame(item.frame, self.mask(item.labels), item)

    def mask(self, labels: LabelMap) -> Mask:
        """Return the mask of one label map, bool (H, W)."""
        selected = cv2.LUT(np.ascontiguousarray(labels), self._chosen)
        if not selected.any():
            return np.zeros(labels.shape, bool)
        if self._min_area > 0:
            selected = _without_small(selected, self._min_area * selected.size)
        if self._fill_holes:
            selected = _filled(selected)
        radius_px = round(self._dilate * labels.shape[0])
        if radius_px:
            tip = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius_px + 1,) * 2)
            selected = cv2.dilate(selected, tip)
        return np.asarray(selected, np.uint8).astype(bool)


def _without_small(mask: NDArray[np.uint8], area_px: float) -> NDArray[np.uint8]:
    _, regions, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    keep = (stats[:, cv2.CC_STAT_AREA] >= area_px).astype(np.uint8)
    keep[0] = 0
    return np.asarray(keep[regions], np.uint8)


def _filled(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    # A gap larger than what surrounds it is background seen through a frame, not a hole.
    outlines, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if tree is None:
        return mask
    area = [cv2.contourArea(outline) for outline in outlines]
    for index, (_, _, _, parent) in enumerate(tree[0]):
        if parent >= 0 and area[index] < (area[parent] - area[index]):
            cv2.drawContours(mask, outlines, index, 1, cv2.FILLED)
    return mask
