"""How a decoded picture has to be turned before it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Orientation:
    """A turn by a multiple of 90 degrees with an optional mirror image.

    The picture is transposed first, then mirrored.

    Attributes:
        transpose: Whether rows become columns.
        mirror_x: Whether left and right are swapped.
        mirror_y: Whether top and bottom are swapped.
    """

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    @classmethod
    def from_display_matrix(cls, data: bytes) -> Orientation | None:
        """Read the 3x3 matrix of 16.16 fixed point numbers that ISO/IEC 14496-12 defines.

        Returns None for an angle that is not a multiple of 90 degrees.
        """
        a, b, _, c, d = (round(value / 65536) for value in np.frombuffer(data, "<i4")[:5].tolist())
        if (abs(a), abs(b), abs(c), abs(d)) == (1, 0, 0, 1):
            return cls(False, a < 0, d < 0)
        if (abs(a), abs(b), abs(c), abs(d)) == (0, 1, 1, 0):
            return cls(True, c < 0, b < 0)
        return None

    @property
    def clockwise_degrees(self) -> int:
        """The turn without its mirror image: 0, 90, 180 or 270."""
        if self.transpose:
            return 270 if self.mirror_y and not self.mirror_x else 90
        return 180 if self.mirror_y else 0

    def apply(self, image: NDArray[Scalar]) -> NDArray[Scalar]:
        """Return the picture, of any depth, as it is to be shown, contiguous."""
        turned = image.transpose(1, 0, 2) if self.transpose else image
        turned = turned[:, ::-1] if self.mirror_x else turned
        turned = turned[::-1] if self.mirror_y else turned
        return np.ascontiguousarray(turned)
