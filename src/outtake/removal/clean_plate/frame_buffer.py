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

from outtake.core.frames import MaskedFrame, with_image
from outtake.core.types import Frame, Mask, TimedFrame
from outtake.motion.feature_matching import Features, same_place
from outtake.motion.homography import Homography, View
from outtake.motion.tracking import Camera
from outtake.removal.clean_plate.memory_budget import KEYFRAME_STEP, Room
from outtake.removal.clean_plate.tiles import clearance

# Near frames are alike, so a few of them will do; far ones show what near ones hide.
DISTANCES = (1, 2, 3, 5, 7, 10, 14, 19, 25, 32, 40, 48, 56, 64)
# Bicubic sampling looks up to two pixels away.
_SUPPORT = np.ones((5, 5), np.uint8)
_WARM_UP = 4


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A frame, and what others can take from it.

    Attributes:
        number: of the frame in the clip, from 0.
        frame: its time and its picture, contiguous; not to be written to.
        mask: its mask, contiguous.
        known: uint8 (H, W), 1 where bicubic sampling does not meet the mask.
        clear: how far what is shown is from what is not, as ``clearance`` returns it.
        view: its camera.
        scene: number of the scene; frames that do not follow one another may show the same.
        back: homographies to some of the frames before, by their number.
        features: what may be recognised in it from afar.
        wanted: whether what it comes out as is used.
    """

    number: int
    frame: TimedFrame
    mask: Mask
    known: NDArray[np.uint8]
    clear: NDArray[np.uint8]
    view: View
    scene: int
    back: Mapping[int, Homography]
    features: Features
    wanted: bool

    @property
    def image(self) -> Frame:
        """The picture, uint8 (H, W, 3)."""
        return self.frame.image


@dataclass(frozen=True, slots=True)
class Window:
    """A frame and what may help to fill it.

    Attributes:
        centre: the frame.
        neighbours: frames of the same shot by their distance in frames; negative: before it.
        keyframes: of the same scene, before the neighbours.
        fill: whether the frame is to be filled.
    """

    centre: Held
    neighbours: Mapping[int, Held]
    keyframes: tuple[Held, ...]
    fill: bool


@dataclass
class Windows:
    """Turns a clip into windows.

    Args:
        reach: how far is looked, back and ahead.
        max_bytes: of the frames held; at least three are.
    """

    reach: int
    max_bytes: int
    _camera: Camera = field(default_factory=Camera)
    _views: dict[int, View] = field(default_factory=dict)
    _past: list[Held] = field(default_factory=list)
    _keyframes: list[Held] = field(default_factory=list)
    _newest: Held | None = None
    _deep: bool = False

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[Window]:
        """Yield each frame with its neighbours."""
        following: deque[Held] = deque()
        ended, ahead = False, 1
        with closing(self._seen(clip)) as frames:
            while True:
                while not ended and len(following) <= ahead:
                    held = next(frames, None)
                    if held is None:
                        ended = True
                        break
                    following.append(held)
                    height, width = held.mask.shape
                    self._deep = self._deep or held.frame.deep is not None
                    room = Room.of(height, width, self.reach, self.max_bytes, self._deep)
                    ahead = room.ahead
                if not following:
                    return
                centre = following.popleft()
                self._forget(centre, room)
                yield self._window(centre, following)
                # Others look at 8 bits of it.
                self._past.append(replace(centre, frame=replace(centre.frame, deep=None)))

    def _seen(self, clip: Iterable[MaskedFrame]) -> Generator[Held, None, None]:
        """Yield each frame with its camera, which is worked out a frame ahead in a thread."""
        waiting: Future[Held] | None = None
        with ThreadPoolExecutor(1, "camera") as camera:
            for item in clip:
                begun = camera.submit(self._held, item)
                if waiting is not None:
                    yield waiting.result()
                waiting = begun
            if waiting is not None:
                yield waiting.result()

    def _forget(self, centre: Held, room: Room) -> None:
        leaving = [one for one in self._past if not room.keeps(one.number, centre.number)]
        self._past = [one for one in self._past if room.keeps(one.number, centre.number)]
        self._keyframes += [one for one in leaving if one.number % KEYFRAME_STEP == 0]
        first = centre.number - room.keyframes * KEYFRAME_STEP
        self._keyframes = [
            one for one in self._keyframes if one.number >= first and one.scene == centre.scene
        ]

    def _window(self, centre: Held, following: Iterable[Held]) -> Window:
        following = tuple(following)
        neighbours = {
            one.number - centre.number: one
            for one in (*self._past, *following)
            if one.view.shot == centre.view.shot
        }
        keyframes = tuple(self._keyframes) + tuple(
            one
            for one in self._past
            if one.number % KEYFRAME_STEP == 0
            and one.view.shot != centre.view.shot
            and one.scene == centre.scene
        )
        soon = range(centre.number, centre.number + _WARM_UP + 1)
        fill = centre.wanted or any(one.wanted and one.number in soon for one in following)
        return Window(centre, neighbours, keyframes, fill)

    def _held(self, item: MaskedFrame) -> Held:
        before = self._newest
        expected = 0 if before is None else before.number + 1
        number = expected if item.number is None else item.number
        image, mask = np.ascontiguousarray(item.frame.image), np.ascontiguousarray(item.mask)
        known = cv2.erode((~mask).view(np.uint8), _SUPPORT, borderType=cv2.BORDER_REPLICATE)
        view = self._camera.see(image, mask, follows=number == expected)
        features = Features(image, mask)
        scene = 0
        if before is not None:
            same = before.view.shot == view.shot
            if number != expected:
                same = same_place(before.features, features)
            scene = before.scene + (not same)
        back = {
            other: view.to(self._views[other])
            for other in (number - distance for distance in DISTANCES)
            if other in self._views and self._views[other].shot == view.shot
        }
        # Numbers may have gaps between them: what is too old goes by its age.
        oldest = number - DISTANCES[-1]
        self._views = {n: seen for n, seen in self._views.items() if n > oldest} | {number: view}
        # The labels that came along stay behind: they would take more room than the pictures.
        self._newest = Held(
            number,
            with_image(item.frame, image),
            mask,
            known,
            clearance(mask),
            view,
            scene,
            back,
            features,
            item.wanted,
        )
        return self._newest
