"""How many frames fit into memory."""

from __future__ import annotations

from dataclasses import dataclass

from outtake.core.frames import Context

# Where memory is short, of what lies further back than this only every fourth frame is kept.
_DENSE_FRAMES, _THINNING_STEP = 8, 4
KEYFRAME_STEP, _MAX_KEYFRAMES = 16, 32
# Bytes for a pixel of a frame: of its picture, its mask, and what is known of it. The picture and
# the mask stay where the next segment may look at them, however few frames are kept here.
_INPUT_BYTES, _DERIVED_BYTES = 3 + 1, 1 + 1
# The deep picture is needed until the frame is given out.
_IMAGE16_BYTES = 6
_THINNED_BYTES = _INPUT_BYTES + _DERIVED_BYTES / _THINNING_STEP


@dataclass(frozen=True, slots=True)
class MemoryBudget:
    """How many frames may be held.

    Attributes:
        ahead: of the current one.
        back: how far back frames are held,
        thinned: and whether of those further back than a few only every fourth is.
        keyframes: before those.
    """

    ahead: int
    back: int
    thinned: bool
    keyframes: int

    @classmethod
    def for_frame_size(
        cls,
        height: int,
        width: int,
        reach_frames: int,
        max_bytes: int,
        high_bit_depth: bool = False,
    ) -> MemoryBudget:
        """Return what fits into the memory at a frame size.

        Args:
            height: of the frames.
            width: likewise.
            reach_frames: how far is looked at most, back and ahead.
            max_bytes: of the frames held.
            high_bit_depth: whether they have deep pictures too.
        """
        bytes_behind, bytes_ahead = (
            _INPUT_BYTES + _DERIVED_BYTES,
            _INPUT_BYTES + _DERIVED_BYTES + _IMAGE16_BYTES * high_bit_depth,
        )
        room = max_bytes / (height * width + 1)
        spare = (
            int(room - bytes_behind - 2 * bytes_ahead) // bytes_behind
        )  # one behind, one ahead, the current one
        keyframes = max(0, min(_MAX_KEYFRAMES, int(room / bytes_behind) // 5, spare))
        room -= keyframes * bytes_behind + bytes_ahead
        if room >= reach_frames * (bytes_behind + bytes_ahead):
            return cls(reach_frames, reach_frames, False, keyframes)
        # As many behind as ahead, about.
        share = room * bytes_behind / (bytes_behind + bytes_ahead)
        back = min(int(share / bytes_behind), reach_frames)
        thin = back > _DENSE_FRAMES
        if thin:
            back = min(
                _DENSE_FRAMES + int((share - _DENSE_FRAMES * bytes_behind) / _THINNED_BYTES),
                reach_frames,
            )
            share = _DENSE_FRAMES * bytes_behind + (back - _DENSE_FRAMES) * _THINNED_BYTES
        else:
            share = back * bytes_behind
        ahead = min(int((room - share) / bytes_ahead), reach_frames)
        return cls(max(1, ahead), max(1, back), thin, keyframes)

    def context(self) -> Context:
        """Return this in the terms of all removers."""
        reach = self.keyframes * KEYFRAME_STEP
        far = reach if reach > self.back else 0
        return Context(
            self.back, self.ahead, far, KEYFRAME_STEP, needs_labels=False, needs_image16=False
        )

    def keeps(self, number: int, current: int) -> bool:
        """Return whether a frame that is behind the current one stays."""
        distance = current - number
        if self.thinned and distance > _DENSE_FRAMES and number % _THINNING_STEP:
            return False
        return distance <= self.back
