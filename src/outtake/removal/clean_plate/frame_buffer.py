"""The part of a clip that is held in memory, and the references that it gives for a frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.frames import MaskedFrame
from outtake.core.mask_blocks import MASK_BLOCK_PX, enlarge_blocks
from outtake.core.types import Frame, Mask, MaskBlocks
from outtake.motion.feature_matching import FrameFeatures, show_same_place
from outtake.motion.homography import Homography, TrackedView, invert_homography
from outtake.motion.tracking import CameraTracker
from outtake.motion.warp import Points, project_points
from outtake.removal.clean_plate.memory_budget import KEYFRAME_STEP, MemoryBudget
from outtake.removal.clean_plate.tiles import compute_clearance

# Near frames are alike, so a few of them suffice; far frames show what near frames hide.
REFERENCE_DISTANCES = (1, 2, 3, 5, 7, 10, 14, 19, 25, 32, 40, 48, 56, 64)
# Bicubic sampling reads up to two pixels away.
_BICUBIC_SUPPORT = np.ones((5, 5), np.uint8)
_WARM_UP_FRAMES = 4


@dataclass(frozen=True, slots=True, eq=False)
class BufferedFrame:
    """A frame, and what is needed to sample it from other frames.

    Attributes:
        number: The number of the frame in the clip, from 0.
        source: The frame that went in, without labels; of a past frame, without 16 bits.
        image: The image, uint8 (H, W, 3), contiguous and read-only.
        mask: The mask, contiguous.
        foreground: That of the source; None also where something else is hidden beside it.
        brightness: The brightness, uint8 (H, W). Its lowest bit is 1 where bicubic sampling does
            not reach the mask or the foreground: so both take the memory of one.
        clearance: The distance to these, as ``compute_clearance`` returns it.
        view: The camera.
        scene: The number of the scene; frames that are not consecutive may share a scene.
        homographies_back: Homographies to some earlier frames, by frame number.
        features: Features by which the place is recognised from afar.
    """

    number: int
    source: MaskedFrame
    image: Frame
    mask: Mask
    foreground: MaskBlocks | None
    brightness: NDArray[np.uint8]
    clearance: NDArray[np.uint8]
    view: TrackedView
    scene: int
    homographies_back: Mapping[int, Homography]
    features: FrameFeatures

    @property
    def is_output(self) -> bool:
        """True if the filled frame is used; other frames are context."""
        return self.source.is_output


@dataclass(frozen=True, slots=True)
class Reference:
    """Another frame, and the position of the current frame in it.

    Attributes:
        source: The current frame.
        frame: The other frame.
        homography: The homography from pixels of the current frame to pixels of the other.
    """

    source: BufferedFrame
    frame: BufferedFrame
    homography: Homography


def reference_between(source: BufferedFrame, target: BufferedFrame) -> Reference:
    """Return a frame of the same shot as a reference."""
    if target.number in source.homographies_back:
        return Reference(source, target, source.homographies_back[target.number])
    if source.number in target.homographies_back:
        return Reference(source, target, invert_homography(target.homographies_back[source.number]))
    return Reference(source, target, source.view.homography_to(target.view))


def hides_points(reference: Reference, points: Points) -> bool:
    """Return whether the foreground of a reference may hide a point (n, 2) of the current frame."""
    foreground = reference.frame.foreground
    if foreground is None or not len(points):
        return False
    # A tile is not sampled where some of it, or of what is read around it, is hidden.
    near = np.asarray(cv2.dilate(foreground, np.ones((7, 7), np.uint8)), np.uint8)
    there = project_points(reference.homography, points)
    columns, rows = np.floor((there + np.float32(0.5)) / MASK_BLOCK_PX).T
    inside = (columns >= 0) & (rows >= 0) & (columns < near.shape[1]) & (rows < near.shape[0])
    return bool(near[rows[inside].astype(np.intp), columns[inside].astype(np.intp)].any())


def chained_references(
    references: Sequence[Reference], targets: Iterable[BufferedFrame]
) -> Iterator[Reference]:
    """Yield frames as references, each chained from the nearest of the given references."""
    frames = list(targets)
    if not frames:
        return
    numbers = np.array([one.frame.number for one in references])
    nearest = np.abs(numbers - np.array([[one.number] for one in frames])).argmin(axis=1)
    via = np.stack([one.frame.view.to_first_frame @ one.homography for one in references])
    back = invert_homography(np.stack([one.view.to_first_frame for one in frames]))
    chains = np.asarray(back @ via[nearest], np.float64)
    for frame, chain in zip(frames, chains, strict=True):
        yield Reference(references[0].source, frame, chain)


@dataclass(frozen=True, slots=True)
class ReferenceWindow:
    """A frame, and the frames that may help to fill it.

    Attributes:
        centre: The frame.
        neighbours: Frames of the same shot by their distance in frames, negative if earlier.
        keyframes: Frames of the same scene, earlier than the neighbours.
        needs_fill: True if the frame must be filled.
    """

    centre: BufferedFrame
    neighbours: Mapping[int, BufferedFrame]
    keyframes: tuple[BufferedFrame, ...]
    needs_fill: bool


def match_places(window: ReferenceWindow, frames: Sequence[BufferedFrame]) -> Iterator[Reference]:
    """Yield those of some frames in which the place of a window is recognised.

    A frame is matched to a keyframe near the current frame, whose matches serve many frames.
    """
    centre = window.centre
    if not frames:
        return
    near = [one for one in (centre, *window.neighbours.values()) if one.number % KEYFRAME_STEP == 0]
    via = min(near, key=lambda one: abs(one.number - centre.number), default=centre)
    to_via = np.eye(3) if via is centre else reference_between(centre, via).homography
    for frame in frames:
        from_via = via.features.homography_to(frame.number, frame.features)
        if from_via is not None:
            yield Reference(centre, frame, np.asarray(from_via @ to_via, np.float64))


class FrameBuffer:
    """Turns a clip into windows of frames.

    Args:
        reach_frames: The number of frames to look back and ahead.
        max_bytes: The memory for the frames held; at least three are held.
        moving: True if moving layers are carried, which takes some of that memory.
    """

    def __init__(self, reach_frames: int, max_bytes: int, *, moving: bool = False) -> None:
        self._reach_frames, self._max_bytes, self._moving = reach_frames, max_bytes, moving
        self._tracker = CameraTracker()
        self._views: dict[int, TrackedView] = {}
        self._past_frames: list[BufferedFrame] = []
        self._keyframes: list[BufferedFrame] = []
        self._scenes: dict[int, int] = {}  # by shot: a flash is one between two parts of another
        self._newest: BufferedFrame | None = None
        self._high_bit_depth = False

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[ReferenceWindow]:
        """Yield each frame with its neighbours."""
        following: deque[BufferedFrame] = deque()
        ended, ahead = False, 1
        with closing(self._buffer_frames(clip)) as frames:
            while True:
                while not ended and len(following) <= ahead:
                    buffered = next(frames, None)
                    if buffered is None:
                        ended = True
                        break
                    following.append(buffered)
                    budget = self._budget(buffered)
                    ahead = budget.ahead
                if not following:
                    return
                centre = following.popleft()
                self._drop_old_frames(centre, budget)
                yield self._build_window(centre, following)
                # References are sampled at 8 bits.
                self._past_frames.append(_drop_image16(centre))

    def _budget(self, newest: BufferedFrame) -> MemoryBudget:
        self._high_bit_depth = self._high_bit_depth or newest.source.frame.image16 is not None
        height, width = newest.mask.shape
        return MemoryBudget.for_frame_size(
            height, width, self._reach_frames, self._max_bytes, self._high_bit_depth, self._moving
        )

    def _buffer_frames(self, clip: Iterable[MaskedFrame]) -> Generator[BufferedFrame, None, None]:
        """Yield each frame with its camera, which a thread tracks one frame ahead."""
        pending: Future[BufferedFrame] | None = None
        with ThreadPoolExecutor(1, "camera") as pool:
            for item in clip:
                submitted = pool.submit(self._buffer_frame, item)
                if pending is not None:
                    yield pending.result()
                pending = submitted
            if pending is not None:
                yield pending.result()

    def _drop_old_frames(self, centre: BufferedFrame, budget: MemoryBudget) -> None:
        past, self._past_frames = self._past_frames, []
        for one in past:
            if budget.keeps(one.number, centre.number):
                self._past_frames.append(one)
            elif one.number % KEYFRAME_STEP == 0:
                self._keyframes.append(one)
        first = centre.number - budget.keyframes * KEYFRAME_STEP
        self._keyframes = [one for one in self._keyframes if one.number >= first]

    def _build_window(
        self, centre: BufferedFrame, following: Iterable[BufferedFrame]
    ) -> ReferenceWindow:
        following = tuple(following)
        neighbours = {
            one.number - centre.number: one
            for one in (*self._past_frames, *following)
            if one.view.shot == centre.view.shot
        }
        keyframes = tuple(one for one in self._keyframes if one.scene == centre.scene) + tuple(
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
        image, mask = np.ascontiguousarray(item.frame.image).view(), np.ascontiguousarray(item.mask)
        # Compiled loops tell arrays that may be written from those that may not.
        image.flags.writeable = False
        foreground = item.foreground
        hidden = mask if foreground is None else mask | enlarge_blocks(foreground, mask.shape)
        brightness = mark_known(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), hidden)
        view = self._tracker.update(image, hidden, is_consecutive=number == expected)
        features = FrameFeatures(image, hidden)
        scene = self._scenes.get(view.shot)
        if scene is None:
            scene = 1 + max(self._scenes.values(), default=-1)
            if before is not None and number != expected:
                scene = before.scene if show_same_place(before.features, features) else scene
            self._scenes[view.shot] = scene
        homographies_back = {
            other: view.homography_to(self._views[other])
            for other in (number - distance for distance in REFERENCE_DISTANCES)
            if other in self._views and self._views[other].shot == view.shot
        }
        # Numbers may have gaps, so views are dropped by age and not by count.
        oldest = number - REFERENCE_DISTANCES[-1]
        self._views = {n: seen for n, seen in self._views.items() if n > oldest} | {number: view}
        # The labels are dropped: they would take more memory than the images.
        self._newest = BufferedFrame(
            number,
            replace(item, labelled=None),
            image,
            mask,
            foreground,
            brightness,
            compute_clearance(hidden),
            view,
            scene,
            homographies_back,
            features,
        )
        return self._newest


def show_foreground(frame: BufferedFrame) -> BufferedFrame:
    """Return a frame that is sampled where its foreground is too."""
    return replace(
        frame,
        brightness=mark_known(frame.brightness, frame.mask),
        clearance=compute_clearance(frame.mask),
    )


def mark_known(brightness: NDArray[np.uint8], hidden: Mask) -> NDArray[np.uint8]:
    """Return the brightness with the lowest bit that :class:`BufferedFrame` describes."""
    free = (~hidden).view(np.uint8)
    known = cv2.erode(free, _BICUBIC_SUPPORT, borderType=cv2.BORDER_REPLICATE)
    return np.asarray((brightness & 254) | known, np.uint8)


def _drop_image16(one: BufferedFrame) -> BufferedFrame:
    source = one.source
    return replace(one, source=replace(source, frame=replace(source.frame, image16=None)))
