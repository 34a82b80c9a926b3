"""Make what is masked unrecognisable: blur, pixelate, or cover it with a colour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np

from outtake.core.errors import ConfigError
from outtake.core.frames import FilledFrame, MaskedFrame
from outtake.core.mask_regions import split_regions
from outtake.core.types import Frame, Mask
from outtake.core.validate import is_number
from outtake.removal.per_frame import contiguous_copy, map_frames
from outtake.removal.protocol import Remover


class Blur(Remover):
    """Blurs what is masked.

    Args:
        strength: The standard deviation of the Gaussian as a fraction of the frame's height.

    Raises:
        ConfigError: The strength is out of its range.
    """

    def __init__(self, strength: float = 0.03) -> None:
        self._strength = _check_fraction("strength", strength)

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[FilledFrame]:
        """Yield each frame blurred inside its mask."""
        return map_frames(clip, self._blur)

    def _blur(self, image: Frame, mask: Mask) -> Frame:
        blurred = contiguous_copy(image)
        sigma_px = max(self._strength * image.shape[0], 0.5)
        for crop, own in split_regions(mask, margin_px=round(3 * sigma_px)):
            # A wide blur of a reduced picture looks the same and takes a fraction of the time.
            scale = max(1, int(sigma_px // 4))
            height, width = own.shape
            small = cv2.resize(
                image[crop], (-(-width // scale), -(-height // scale)), interpolation=cv2.INTER_AREA
            )
            small = cv2.GaussianBlur(small, (0, 0), sigma_px / scale)
            soft = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
            blurred[crop][own] = soft[own]
        return blurred


class Pixelate(Remover):
    """Shows what is masked in coarse blocks.

    Args:
        block: The side of a block as a fraction of the frame's height.

    Raises:
        ConfigError: The side is out of its range.
    """

    def __init__(self, block: float = 0.04) -> None:
        self._block = _check_fraction("block", block)

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[FilledFrame]:
        """Yield each frame pixelated inside its mask."""
        return map_frames(clip, self._pixelate)

    def _pixelate(self, image: Frame, mask: Mask) -> Frame:
        coarse = contiguous_copy(image)
        height, width = mask.shape
        side_px = max(round(self._block * height), 2)
        # The grid is that of the frame and not of the region, so that blocks do not move with it.
        rows, columns = -(-height // side_px), -(-width // side_px)
        padded = cv2.copyMakeBorder(
            coarse, 0, rows * side_px - height, 0, columns * side_px - width, cv2.BORDER_REPLICATE
        )
        means = cv2.resize(padded, (columns, rows), interpolation=cv2.INTER_AREA)
        blocks = cv2.resize(
            means, (columns * side_px, rows * side_px), interpolation=cv2.INTER_NEAREST
        )
        coarse[mask] = blocks[:height, :width][mask]
        return coarse


class Solid(Remover):
    """Covers what is masked with one colour.

    Args:
        colour: The RGB colour, 0 to 255 each.

    Raises:
        ConfigError: The colour is not three such numbers.
    """

    def __init__(self, colour: Sequence[int] = (0, 0, 0)) -> None:
        given = colour if isinstance(colour, str) or not isinstance(colour, Iterable) else [*colour]
        if not _is_colour(given):
            raise ConfigError(f"remover.colour={given}: must be three numbers in 0..255")
        self._colour = np.array(colour, np.uint8)

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[FilledFrame]:
        """Yield each frame with its mask painted over."""
        return map_frames(clip, self._paint)

    def _paint(self, image: Frame, mask: Mask) -> Frame:
        painted = contiguous_copy(image)
        painted[mask] = self._colour
        return painted


def _is_colour(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(is_number(part) and 0 <= part <= 255 for part in value)
    )


def _check_fraction(name: str, value: float) -> float:
    if not is_number(value) or not 0 < value <= 1:
        raise ConfigError(f"remover.{name}={value}: must be above 0 and at most 1")
    return value
