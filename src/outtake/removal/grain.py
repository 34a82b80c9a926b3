"""Give a fill the grain of the picture around it.

What several frames agree on has less noise than one of them, and what is made up from smooth
surfaces has none: in a grainy clip a fill without grain is seen as a smooth patch.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product

import cv2
import numpy as np

from outtake.core.frames import FilledFrame, MaskedFrame
from outtake.core.types import Crop, Mask
from outtake.removal.grain_measurement import (
    TO_BRIGHTNESS,
    TO_RGB,
    Floats,
    Grain,
    find_missing_grain,
    measure_grain,
)
from outtake.removal.outer_remover import FillRemover
from outtake.removal.protocol import Remover

# Frames are handled in squares of this side: the time goes with the area of the hole, not with how
# far its parts lie from each other. Each is seen with a margin, as far as levels are compared.
_TILE_PX, _MARGIN_PX = 256, 24
# So many rows are enough to tell one picture from another.
_KEY_ROWS = 8


class GrainRemover(FillRemover):
    """A remover whose fill gets as much grain as it lacks beside the picture around it.

    Each frame is measured by itself, and its noise depends on its picture alone: a frame comes out
    the same wherever it is processed, and grain stands still where the picture does. Pixels outside
    the mask stay bit for bit.

    Args:
        remover: The remover that fills the mask.
        strength: 1 for as much as the picture has, 0 to 2.

    Raises:
        ConfigError: ``strength`` is out of range, or the remover changes pixels outside the mask,
            or its frames have alpha.
    """

    def __init__(self, remover: Remover, strength: float = 1.0) -> None:
        super().__init__(remover, "mask.grain", strength, 2)
        self._strength = strength

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[FilledFrame]:
        """Yield each frame with its mask filled, and grain on the fill.

        Raises:
            ConfigError: The remover changes the size of frames.
        """
        for filled in self.remover(clip):
            if filled.source.is_output and filled.source.mask.any():
                yield self._add_grain(filled)
            else:
                yield filled

    def _add_grain(self, filled: FilledFrame) -> FilledFrame:
        frame, mask = filled.frame, filled.source.mask
        self.check_size(filled)
        grain = measure_grain(filled.source.frame.image, mask)
        statistics = filled.statistics
        if statistics is not None:
            statistics = replace(statistics, grain=0.0)
        if grain is None:
            return replace(filled, statistics=statistics)
        image = frame.image.copy()
        image16 = None if frame.image16 is None else frame.image16.copy()
        key = zlib.crc32(filled.source.frame.image[::_KEY_ROWS].tobytes())
        noise_of = np.random.Generator(np.random.Philox(key=key))
        total = 0.0
        for tile, around in _cover(mask):
            missing = find_missing_grain(frame.image[around], mask[around], grain)[
                tile[0].start - around[0].start : tile[0].stop - around[0].start,
                tile[1].start - around[1].start : tile[1].stop - around[1].start,
            ]
            noise = _draw_grain(noise_of, grain, missing * np.float32(self._strength))
            total += float(np.square(noise @ TO_BRIGHTNESS).sum())
            grainy = np.rint(image[tile] + noise)
            image[tile] = np.where(missing[..., None] > 0, np.clip(grainy, 0, 255), image[tile])
            if image16 is not None:
                grainy = np.clip(np.rint(image16[tile] + 257 * noise), 0, 65535)
                image16[tile] = np.where(missing[..., None] > 0, grainy, image16[tile])
        if statistics is not None:
            deviation = float((total / np.count_nonzero(mask)) ** 0.5)
            statistics = replace(statistics, grain=deviation)
        frame = replace(frame, image=image, image16=image16)
        return replace(filled, frame=frame, statistics=statistics)


def _cover(mask: Mask) -> Iterator[tuple[Crop, Crop]]:
    """Yield the parts of tiles in which something is masked, alone and with their margins."""
    hidden = np.ascontiguousarray(mask).view(np.uint8)
    height, width = mask.shape
    for top, left in product(range(0, height, _TILE_PX), range(0, width, _TILE_PX)):
        x, y, columns, rows = cv2.boundingRect(hidden[top : top + _TILE_PX, left : left + _TILE_PX])
        if columns:
            part = slice(top + y, top + y + rows), slice(left + x, left + x + columns)
            down, across = (
                slice(max(0, side.start - _MARGIN_PX), min(side.stop + _MARGIN_PX, size))
                for side, size in zip(part, mask.shape, strict=True)
            )
            yield part, (down, across)


def _draw_grain(noise_of: np.random.Generator, grain: Grain, strength: Floats) -> Floats:
    """Return noise to be added, in grey levels, float32 (H, W, 3).

    Args:
        noise_of: Where the noise comes from.
        grain: What the noise is like.
        strength: How strong it is, in grey levels, float32 (H, W).
    """
    height, width = strength.shape
    reach = grain.kernels.shape[1] // 2
    white = noise_of.standard_normal((3, height + 2 * reach, width + 2 * reach), np.float32)
    white = np.tensordot(grain.mixing, white, 1)
    planes = [
        cv2.filter2D(plane, cv2.CV_32F, kernel)[reach : reach + height, reach : reach + width]
        for plane, kernel in zip(white, grain.kernels, strict=True)
    ]
    drawn = np.stack(planes, axis=2) * strength[..., None]
    return np.asarray(drawn @ TO_RGB.T, np.float32)
