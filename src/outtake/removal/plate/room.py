"""How many frames fit into memory."""

from __future__ import annotations

from dataclasses import dataclass

from outtake.removal.stages import Context

# Where memory is short, of what lies further back than this only every fourth frame is kept.
_DENSE, _THIN = 8, 4
KEYFRAME_STEP, _KEYFRAMES = 16, 32


@dataclass(frozen=True, slots=True)
class Room:
    """How many frames may be held.

    Attributes:
        ahead: of the current one.
        back: how far back frames are held,
        thin: and whether of those further back than a few only every fourth is.
        keyframes: before those.
    """

    ahead: int
    back: int
    thin: bool
    keyframes: int

    @classmethod
    def of(cls, height: int, width: int, reach: int, max_bytes: int) -> Room:
        """Return what fits into the memory at a frame size."""
        frames = max_bytes // (5 * height * width + 1)
        keyframes = min(_KEYFRAMES, frames // 4)
        frames -= keyframes + 1
        if frames >= 2 * reach:
            return cls(reach, reach, False, keyframes)
        few = min(frames // 2, _DENSE + max(0, reach - _DENSE) // _THIN)
        ahead = max(1, min(reach, frames - few))
        thinned = _DENSE + _THIN * (few - _DENSE)
        return cls(ahead, min(reach, max(1, few, thinned)), few > _DENSE, keyframes)

    def context(self) -> Context:
        """Return this in the terms of all removers."""
        reach = self.keyframes * KEYFRAME_STEP
        return Context(self.back, self.ahead, reach if reach > self.back else 0, KEYFRAME_STEP)

    def keeps(self, number: int, current: int) -> bool:
        """Return whether a frame that is behind the current one stays."""
        distance = current - number
        if self.thin and distance > _DENSE and number % _THIN:
            return False
        return distance <= self.back
