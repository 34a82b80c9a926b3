"""The number of frames that fit into the memory limit of the clean plate."""

from __future__ import annotations

from dataclasses import dataclass

from outtake.removal.protocol import Context

# If memory is short, only every fourth frame is kept beyond this distance.
_DENSE_FRAMES, _THINNING_STEP = 8, 4
KEYFRAME_STEP, _MAX_KEYFRAMES = 16, 32
# Bytes per pixel of a frame: image and mask, and what is derived from them. Image and mask of
# thinned frames count too: they stay in memory for the context of the next segment.
_INPUT_BYTES, _DERIVED_BYTES = 3 + 1, 1 + 1
# The 16-bit image is needed until the filled frame is yielded.
_IMAGE16_BYTES = 6
# The reduced frames and masks in which moving layers are found, and frames with those hidden.
_MOVING_BYTES = 5
# Frames in which something was synthesised stay for those after them.
KEPT_FRAMES = 2
_THINNED_BYTES = _INPUT_BYTES + _DERIVED_BYTES / _THINNING_STEP


@dataclass(frozen=True, slots=True)
class MemoryBudget:
    """The number of frames that may be held.

    Attributes:
        ahead: The number of frames after the current one.
        back: The distance in frames up to which earlier frames are held.
        thinned: True if only every fourth of the more distant earlier frames is held.
        keyframes: The number of keyframes before those.
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
        moving: bool = False,
    ) -> MemoryBudget:
        """Return the budget for frames of a size.

        Args:
            height: The height of the frames.
            width: The width of the frames.
            reach_frames: The largest number of frames to look back and ahead.
            max_bytes: The memory for all frames held.
            high_bit_depth: True if frames have 16-bit images too.
            moving: True if moving layers are carried.
        """
        layers = _MOVING_BYTES * moving
        behind = _INPUT_BYTES + _DERIVED_BYTES + layers
        before = behind + _IMAGE16_BYTES * high_bit_depth
        room = max_bytes / (height * width + 1) - KEPT_FRAMES * behind
        # One frame behind, one ahead, and the current one come first.
        spare = int(room - behind - 2 * before) // behind
        keyframes = max(0, min(_MAX_KEYFRAMES, int(room / behind) // 5, spare))
        room -= keyframes * behind + before
        if room >= reach_frames * (behind + before):
            return cls(reach_frames, reach_frames, False, keyframes)
        # About as many behind as ahead.
        share = room * behind / (behind + before)
        back = min(int(share / behind), reach_frames)
        thinned = back > _DENSE_FRAMES
        if thinned:
            extra = int((share - _DENSE_FRAMES * behind) / (_THINNED_BYTES + layers))
            back = min(_DENSE_FRAMES + extra, reach_frames)
            share = _DENSE_FRAMES * behind + (back - _DENSE_FRAMES) * (_THINNED_BYTES + layers)
        else:
            share = back * behind
        ahead = min(int((room - share) / before), reach_frames)
        return cls(max(1, ahead), max(1, back), thinned, keyframes)

    def context(self) -> Context:
        """Return the budget as the context of a remover."""
        reach = self.keyframes * KEYFRAME_STEP
        far = reach if reach > self.back else 0
        return Context(
            self.back, self.ahead, far, KEYFRAME_STEP, needs_labels=False, needs_image16=False
        )

    def keeps(self, number: int, current: int) -> bool:
        """Return True if the earlier frame ``number`` stays in memory."""
        distance = current - number
        if self.thinned and distance > _DENSE_FRAMES and number % _THINNING_STEP:
            return False
        return distance <= self.back
