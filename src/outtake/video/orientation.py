"""How a decoded picture has to be turned before it is shown."""

from __future__ import annotations

import math
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
    def from_display_matrix(cls, data: bytes) -> Orientation:
        """Read the 3x3 matrix of 16.16 fixed point numbers that ISO/IEC 14496-12 defines.

        An angle between two multiples of 90 degrees becomes the nearer one.
        """
        a, b, _, c, d = np.frombuffer(data, "<i4")[:5].tolist()
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

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


def find_turn_degrees(data: bytes) -> float:
    """Return by how many degrees a display matrix turns clockwise, mirrored or not."""
    a, b = np.frombuffer(data, "<i4")[:2].tolist()
    return math.degrees(math.atan2(b, a))
