"""Before and after, in one picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from outtake.core.frames import FilledFrame, MaskedFrame
from outtake.core.validate import check_number
from outtake.drawing.label_pictures import join_side_by_side
from outtake.removal.outer_remover import OuterRemover
from outtake.removal.protocol import Remover

T = TypeVar("T", np.uint8, np.uint16)
_CHECKERBOARD = np.array([[[255] * 3, [204] * 3], [[204] * 3, [255] * 3]], np.uint8)


class SideBySide(OuterRemover):
    """Shows each frame before, left, and after another remover, right.

    Transparent pixels are shown over a checkerboard.

    Args:
        remover: The remover of the right side.
        divider_px: The width of the white line in between; an even one keeps the width even.

    Raises:
        ConfigError: The width is not a whole number from 0 on.
    """

    def __init__(self, remover: Remover, divider_px: int = 2) -> None:
        check_number("remover.divider_px", divider_px, 0, whole=True)
        super().__init__(remover)
        self.keeps_outside, self.channels = False, 3
        self.divider_px = divider_px

    @property
    def name(self) -> str:
        """What it is called in reports and errors."""
        return type(self).__name__

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[FilledFrame]:
        """Yield frames of twice the width plus the divider's."""
        for filled in self.remover(clip):
            before, after = filled.source.frame, filled.frame
            right = composite_on_checkerboard(after.image)
            image = join_side_by_side(before.image, right, self.divider_px)
            image16 = None
            if before.image16 is not None and after.image16 is not None:
                right16 = composite_on_checkerboard(after.image16)
                image16 = join_side_by_side(before.image16, right16, self.divider_px)
            yield replace(filled, frame=replace(after, image=image, image16=image16))


def composite_on_checkerboard(image: NDArray[T]) -> NDArray[T]:
    """Return a picture as RGB, its transparent pixels over a checkerboard.

    Args:
        image: The picture, uint8 or uint16: (H, W, 3) is returned as it is, (H, W, 4) has straight
            alpha.
    """
    if image.shape[2] == 3:
        return image
    height, width = image.shape[:2]
    white = np.iinfo(image.dtype).max
    rows, columns = np.indices((height, width)) * 16 // max(height, 1) % 2
    ground = _CHECKERBOARD[rows, columns].astype(np.float32) * (white // 255)
    alpha = image[..., 3:].astype(np.float32) / white
    return np.asarray(np.rint(alpha * image[..., :3] + (1 - alpha) * ground), image.dtype)
