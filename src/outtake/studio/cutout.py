"""The object of a frame alone, on a transparent ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import ConfigError
from outtake.core.types import Frame, LabelMap
from outtake.refine.smoother import Smooth

MAX_FEATHER_PX = 50
# The smoother moves an outline so far at most; what lies deeper or farther stays as it is.
_RIM_PX = 4
_SURE = 0.98


@dataclass(frozen=True)
class Edge:
    """How the rim of a cut-out is made.

    Attributes:
        feather_px: The width of the ramp from full to none, its middle on the outline; 0 for none.
        smooth: Move the outline to the edges of the picture, with partly covered pixels.
    """

    feather_px: float = 0
    smooth: bool = False


def cut_out(image: Frame, labels: LabelMap, classes: Sequence[int], edge: Edge) -> Frame:
    """Return a frame on a transparent ground, uint8 (H, W, 4).

    The colours are those of the frame wherever anything of the object is; 0 elsewhere.

    Args:
        image: The frame, uint8 (H, W, 3).
        labels: Its labels, uint8 (H, W).
        classes: The classes that stay.
        edge: How its rim is made.

    Raises:
        ConfigError: None of the classes is on the frame, or nothing is left of them.
    """
    wanted = np.isin(labels, list(classes))
    if not wanted.any():
        raise ConfigError("a cut-out needs an object that is labelled on this frame")
    rows, columns = _find_box(wanted, _RIM_PX * 4 + round(edge.feather_px))
    part = wanted[rows, columns]
    cover = part.astype(np.float32)
    if edge.smooth:
        cover = _smooth(image[rows, columns], part)
    if edge.feather_px > 0:
        cover = _feather(cover, edge.feather_px)
    alpha = np.rint(cover * 255).astype(np.uint8)
    if not alpha.any():
        raise ConfigError(
            "nothing of the object is left: it is smaller than the edge that was asked for; take "
            "a narrower one, or no smooth one"
        )
    found = np.zeros((*labels.shape, 4), np.uint8)
    found[rows, columns, 3] = alpha
    np.copyto(found[rows, columns, :3], image[rows, columns], where=alpha[..., None] > 0)
    return found


def crop_to_object(picture: Frame) -> tuple[Frame, tuple[float, float]]:
    """Return the part of a cut-out that is not empty, and where its middle was, (x, y)."""
    rows, columns = _find_box(picture[..., 3] > 0, 0)
    middle = (columns.start + columns.stop) / 2, (rows.start + rows.stop) / 2
    return np.ascontiguousarray(picture[rows, columns]), middle


def _find_box(mask: NDArray[np.bool_], margin: int) -> tuple[slice, slice]:
    ends = []
    for axis in (1, 0):
        found = np.flatnonzero(mask.any(axis=axis))
        last = mask.shape[1 - axis]
        ends.append(slice(max(int(found[0]) - margin, 0), min(int(found[-1]) + 1 + margin, last)))
    return ends[0], ends[1]


def _smooth(image: Frame, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return how much of each pixel is the object, by the edges of the picture, float32 (H, W)."""
    cover = np.where(mask, np.float32(_SURE), np.float32(1 - _SURE))
    planes = np.stack([cover, 1 - cover])
    cover = Smooth().refine(image, planes)[0]
    cover = np.clip((cover - (1 - _SURE)) / (2 * _SURE - 1), 0, 1)
    inner, outer = _distances(mask)
    return np.where(inner > _RIM_PX, 1, np.where(outer > _RIM_PX, 0, cover)).astype(np.float32)


def _feather(cover: NDArray[np.float32], width_px: float) -> NDArray[np.float32]:
    inner, outer = _distances(cover >= 0.5)
    depth = np.where(inner > 0, inner - 0.5, 0.5 - outer)
    return np.clip(0.5 + depth / width_px, 0, 1).astype(np.float32)


def _distances(mask: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return how deep pixels lie inside, and how far outside; 0 on the other side."""
    planes = []
    for side in (mask, ~mask):
        # A picture's end is no outline.
        padded = cv2.copyMakeBorder(side.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
        planes.append(np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 5))[1:-1, 1:-1])
    return planes[0], planes[1]
