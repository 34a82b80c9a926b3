"""What a mask file stores: numbers or colours, and what the numbers look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class StoredMask:
    """The samples of a mask.

    Attributes:
        values: The stored numbers, integers (H, W), or colours, uint8 (H, W, 3).
        palette: The RGB colours of the indices, uint8 (N, 3); None for a file without a palette.
        white: The number that is white where it is not that of 8 or 16 bits: 1 of a bit, 15 of
            four; None for others.
    """

    values: Array
    palette: NDArray[np.uint8] | None = None
    white: int | None = None

    def palette_codes(self) -> NDArray[np.int32] | None:
        """Return the colour of each index, 0xRRGGBB (256,), -1 where the palette has none."""
        if self.palette is None:
            return None
        wide = self.palette.astype(np.int32)[:256]
        codes = np.full(256, -1, np.int32)
        codes[: len(wide)] = (wide[:, 0] << 16) | (wide[:, 1] << 8) | wide[:, 2]
        return codes

    def shades(self) -> NDArray[np.int32] | None:
        """Return how bright each number is shown, 0 to 255 (256,), -1 for one that is not gray.

        None where the numbers are shown as they are: those of 8 and 16 bits without a palette.
        """
        if self.white is not None:
            shown = np.full(256, -1, np.int32)
            shown[: self.white + 1] = np.rint(np.arange(self.white + 1) * 255 / self.white)
            return shown
        codes = self.palette_codes()
        if codes is None:
            return None
        gray = (codes >= 0) & (codes >> 16 == codes & 255) & (codes >> 8 & 255 == codes & 255)
        return np.where(gray, codes & 255, -1).astype(np.int32)

    def as_shown(self) -> Array:
        """Return the samples as a viewer shows them: gray of 8 bits or more, or RGB."""
        if self.palette is not None:
            table = np.zeros((256, 3), np.uint8)
            table[: len(self.palette)] = self.palette[:256]
            return table[self.values]
        if self.white is not None:
            table = np.rint(np.arange(256).clip(max=self.white) * 255 / self.white)
            return table.astype(np.uint8)[self.values]
        return self.values

    def find_used(self) -> NDArray[np.int64]:
        """Return the numbers that occur, of a mask with a palette or of fewer than 8 bits."""
        return np.flatnonzero(np.bincount(self.values.ravel(), minlength=256))
