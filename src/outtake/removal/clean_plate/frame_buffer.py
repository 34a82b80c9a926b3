"""The part of a clip that is held in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.frames import MaskedFrame, replace_image
from outtake.core.types import Frame, Mask, TimedFrame
from outtake.motion.feature_matching import FrameFeatures, show_same_place
from outtake.motion.homography import CameraView, Homography
from outtake.motion.tracking import CameraTracker
from outtake.removal.clean_plate.memory_budget import KEYFRAME_STEP, MemoryBudget
from outtake.removal.clean_plate.tiles import compute_clearance

# Near frames are alike, so a few of them will do; far ones show what near ones hide.
REFERENCE_DISTANCES = (1, 2, 3, 5, 7, 10, 14, 19, 25, 32, 40, 48, 56, 64)
# Bicubic sampling looks up to two pixels away.
_BICUBIC_SUPPORT = np.ones((5, 5), np.uint8)
_WARM_UP_FRAMES = 4


@dataclass(frozen=True, slots=True, eq=False)
class BufferedFrame:
    """A frame, and what others can take from it.

    Attributes:
        number: of the frame in the clip, from 0.
        frame: its time and its picture, contiguous; not to be written to.
        mask: its mask, contiguous.
        known: uint8 (H, W), 1 where bicubic sampling does not meet the mask.
        clearance: how far what is shown is from what is not, as ``compute_clearance`` returns it.
        view: its camera.
        scene: number of the scene; frames that do not follow one another may show the same.
        homographies_back: homographies to some of the frames before, by their number.
        features: what may be recognised in it from afar.
        is_output: whether what it comes out as is used.
    """

    number: int
    frame: TimedFrame
    mask: Mask
    known: NDArray[np.uint8]
    clearance: NDArray[np.uint8]
    view: CameraView
    scene: int
    homographies_back: Mapping[int, Homography]
    features: FrameFeatures
    is_output: bool

    @property
    def image(self) -> Frame:
        """The picture, uint8 (H, W, 3)."""
        return self.frame.image


@dataclass(frozen=True, slots=True)
class ReferenceWindow:
    """A frame and what may help to fill it.

    Attributes:
        centre: the frame.
        neighbours: frames of the same shot by their distance in frames; negative: before it.
        keyframes: of the same scene, before the neighbours.
        needs_fill: whether the frame is to be filled.
    """

    centre: BufferedFrame
    neighbours: Mapping[int, BufferedFrame]
    keyframes: tuple[BufferedFrame, ...]
    needs_fill: bool


@dataclass
class FrameBuffer:
    """Turns a clip into windows.

    Args:
        reach_frames: how far is looked, back and ahead.
        max_bytes: of the frames held; at least three are.
    """

    reach_frames: int
    max_bytes: int
    _tracker: CameraTracker = field(default_factory=CameraTracker)
    _views: dict[int, CameraView] = field(default_factory=dict)
    _past_frames: list[BufferedFrame] = field(default_factory=list)
    _keyframes: list[BufferedFrame] = field(default_factory=list)
    _newest: BufferedFrame | None = None
    _high_bit_depth: bool = False

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[ReferenceWindow]:
        """Yield each frame with its neighbours."""
        following: deque[BufferedFrame] = deque()
        ended, ahead = False, 1
        with closing(self._buffer_frames(clip)) as frames:
            while True:
                while not ended and len(following) <= ahead:
                    held = next(frames, None)
                    if held is None:
                        ended = True
                        break
                    following.append(held)
                    height, width = held.mask.shape
                    self._high_bit_depth = self._high_bit_depth or held.frame.image16 is not None
                    room = MemoryBudget.for_frame_size(
                        height, width, self.reach_frames, self.max_bytes, self._high_bit_depth
                    )
                    ahead = room.ahead
                if not following:
                    return
                centre = following.popleft()
                self._drop_old_frames(centre, room)
                yield self._build_window(centre, following)
                # Others look at 8 bits of it.
                self._past_frames.append(replace(centre, frame=replace(centre.frame, image16=None)))

    def _buffer_frames(self, clip: Iterable[MaskedFrame]) -> Generator[BufferedFrame, None, None]:
        """Yield each frame with its camera, which is worked out a frame ahead in a thread."""
        waiting: Future[BufferedFrame] | None = None
        with ThreadPoolExecutor(1, "camera") as pool:
            for item in clip:
                begun = pool.submit(self._buffer_frame, item)
                if waiting is not None:
                    yield waiting.result()
                waiting = begun
            if waiting is not None:
                yield waiting.result()

    def _drop_old_frames(self, centre: BufferedFrame, room: MemoryBudget) -> None:
        leaving = [one for one in self._past_frames if not room.keeps(one.number, centre.number)]
        self._past_frames = [
            one for one in self._past_frames if room.keeps(one.number, centre.number)
        ]
        self._keyframes += [one for one in leaving if one.number % KEYFRAME_STEP == 0]
        first = centre.number - room.keyframes * KEYFRAME_STEP
        self._keyframes = [
            one for one in self._keyframes if one.number >= first and one.scene == centre.scene
        ]

    def _build_window(
        self, centre: BufferedFrame, following: Iterable[BufferedFrame]
    ) -> ReferenceWindow:
        following = tuple(following)
        neighbours = {
            one.number - centre.number: one
            for one in (*self._past_frames, *following)
            if one.view.shot == centre.view.shot
        }
        keyframes = tuple(self._keyframes) + tuple(
            one
            for one in self._past_frames
            if one.number % KEYFRAME_STEP == 0
            and one.view.shot != centre.view.shot
            and one.scene == centre.scene
        )
        soon = range(centre.number, centre.number + _WARM_UP_FRAMES + 1)
        fill = centre.is_output or any(one.is_output and one.number in soon for one in following)
        return ReferenceWindow(centre, neighbours, keyframes, fill)

    def _buffer_frame(self, item: MaskedFrame) -> BufferedFrame:
        before = self._newest
        expected = 0 if before is None else before.number + 1
        number = expected if item.number is None else item.number
        image, mask = np.ascontiguousarray(item.frame.image), np.ascontiguousarray(item.mask)
        known = cv2.erode((~mask).view(np.uint8), _BICUBIC_SUPPORT, borderType=cv2.BORDER_REPLICATE)
        view = self._tracker.update(image, mask, is_consecutive=number == expected)
        features = FrameFeatures(image, mask)
        scene = 0
        if before is not None:
            same = before.view.shot == view.shot
            if number != expected:
                same = show_same_place(before.features, features)
            scene = before.scene + (not same)
        back = {
            other: view.homography_to(self._views[other])
            for other in (number - distance for distance in REFERENCE_DISTANCES)
            if other in self._views and self._views[other].shot == view.shot
        }
        # Numbers may have gaps between them: what is too old goes by its age.
        oldest = number - REFERENCE_DISTANCES[-1]
        self._views = {n: seen for n, seen in self._views.items() if n > oldest} | {number: view}
        # The labels that came along stay behind: they would take more room than the pictures.
        self._newest = BufferedFrame(
            number,
            replace_image(item.frame, image),
            mask,
            known,
            compute_clearance(mask),
            view,
            scene,
            back,
            features,
            item.is_output,
        )
        return self._newest
