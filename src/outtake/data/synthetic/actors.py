"""What moves through a scene: the shape that a car, a person and a ball have in common.

An actor paints itself in its own units: x to the right, y up from the ground it stands on.
"""

from __future__ import annotations

from typing import Protocol

from outtake.data.synthetic.sprite import Sprite

Extent = tuple[float, float, float]  # left, right, top, in the actor's units; the ground is 0


class Actor(Protocol):
    """One object of a scene."""

    extent: Extent

    def paint(self, sprite: Sprite, travelled: float) -> None:
        """Paint it, ``travelled`` of its own units further along than at first."""
        ...
