"""Edges: where a picture changes, and where labels do."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame, LabelMap, Mask

# The largest step of Lab colours between two pixels two apart, of black and white.
_FULL_STEP = 100.0


def edge_strength(image: Frame) -> NDArray[np.float32]:
    """Return how strong the edge is that runs through a pixel, 0 where none does.

    The gradient of the Lab colours, thinned as Canny does ("A Computational Approach to Edge
    Detection", PAMI 1986): a pixel keeps its gradient if neither neighbour across the edge has a
    larger one.

    Args:
        image: uint8 (H, W, C), grey or RGB; channels behind the third are not looked at.

    Returns:
        float32 (H, W), 0 to 1; 1 is a step from black to white.
    """
    colour = image[..., :3] if image.shape[2] >= 3 else np.repeat(image[..., :1], 3, axis=2)
    lab = cv2.cvtColor(np.ascontiguousarray(colour, np.float32) / 255, cv2.COLOR_RGB2LAB)
    lab = cv2.GaussianBlur(lab, (0, 0), 1.0, borderType=cv2.BORDER_REPLICATE)
    framed = cv2.copyMakeBorder(lab, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    across = framed[1:-1, 2:] - framed[1:-1, :-2]
    down = framed[2:, 1:-1] - framed[:-2, 1:-1]
    square = (across * across + down * down).sum(axis=2)
    # The direction is that of the strongest channel; the others may point elsewhere.
    channel = (across * across + down * down).argmax(axis=2)[..., None]
    x = np.take_along_axis(across, channel, 2)[..., 0]
    y = np.take_along_axis(down, channel, 2)[..., 0]
    strength = np.sqrt(square) / np.float32(_FULL_STEP)
    return np.where(_is_ridge(strength, x, y), np.minimum(strength, 1), np.float32(0))


def _is_ridge(
    strength: NDArray[np.float32], x: NDArray[np.float32], y: NDArray[np.float32]
) -> Mask:
    """Return where strength is not lower than that of both neighbours along its gradient."""
    framed = np.pad(strength, 1)
    height, width = strength.shape

    def shift(down: int, right: int) -> NDArray[np.float32]:
        return framed[1 + down : 1 + down + height, 1 + right : 1 + right + width]

    sector = np.round(np.arctan2(y, x) / (np.pi / 4)).astype(np.int8) % 4
    ridge = np.zeros(strength.shape, np.bool_)
    for number, (down, right) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        # Of two equal neighbours one is kept.
        kept = (strength > shift(down, right)) & (strength >= shift(-down, -right))
        ridge |= (sector == number) & kept
    return ridge


def find_outline(labels: LabelMap | NDArray[np.integer]) -> Mask:
    """Return the pixels whose label differs from the one to the right or below, bool (H, W)."""
    outline = np.zeros(labels.shape, np.bool_)
    outline[:-1] |= labels[:-1] != labels[1:]
    outline[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    return outline
