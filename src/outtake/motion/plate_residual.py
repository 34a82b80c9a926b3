"""What differs from the plate of a clip itself: the median of frames around each, moved to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame
from outtake.motion.homography import Homography, invert_homography
from outtake.motion.pair_homography import TrackingImage, align_pair

# The median of so many frames, and the rank in them that is the median of those that are known.
_SAMPLES, _LOW, _HIGH = 8, 3, 4
# Batcher's odd-even merge sort of eight.
_SORT = (
    (0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (1, 3), (4, 6), (5, 7), (1, 2), (5, 6),
    (0, 4), (1, 5), (2, 6), (3, 7), (2, 4), (3, 5), (1, 2), (3, 4), (5, 6),
)  # fmt: skip
_SHORT_SIDE_PX = 240
# A difference of 42 in Lab is full scale: objects that are told from the background differ by less.
_GAIN = 3
GREY = 128

Item = TypeVar("Item")
Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Seen(Generic[Item]):
    """A frame in the window.

    Attributes:
        item: What is given back with the residual; None once it was.
        lab: Its colours at the size that is compared, uint8 (h, w, 3).
        to_next: The homography to the frame that follows; None at a cut, or for the last one.
    """

    item: Item | None
    size: tuple[int, int]
    lab: Picture
    to_next: Homography | None = None


class PlateResidual:
    """Gives each frame of a clip what differs from the clip's own plate.

    The frames at some distances before and after, moved to a frame by the camera's motion, show at
    each pixel what is there most of the time: their median is a plate without what moves. The
    residual is the frame minus the plate, in Lab, times 3, around 128; it is 128 where no other
    frame shows the place. Frames beyond a cut are not used. Large frames are compared at a short
    side of 240 pixels.

    The result depends on the frames at most ``context_frames`` away and on nothing else: each
    homography is fitted to two neighbouring frames alone. ``context_frames`` frames are held, those
    before the current one at the size at which they are compared.

    Args:
        offsets: The distances in frames, one to four of them.
    """

    def __init__(self, offsets: Sequence[int] = (6, 10, 16, 24)) -> None:
        assert 1 <= len(offsets) <= _SAMPLES // 2 and min(offsets) > 0
        self._offsets = tuple(sorted(set(offsets)))

    @property
    def context_frames(self) -> int:
        """The number of frames before and after that a residual depends on."""
        return self._offsets[-1]

    def __call__(
        self,
        items: Iterable[Item],
        image_of: Callable[[Item], Frame],
        is_wanted: Callable[[int], bool] = lambda number: True,
    ) -> Iterator[tuple[Item, Frame | None]]:
        """Yield each item with its residual, uint8 (H, W, 3).

        Args:
            items: The frames of a clip, consecutive.
            image_of: Returns the picture of one, uint8 (H, W, 3).
            is_wanted: Returns whether the residual of the frame with a number, from 0, is needed;
                for others it is None.
        """
        window: deque[_Seen[Item]] = deque()
        before: TrackingImage | None = None
        centre = number = 0  # the place of the next frame in the window, and its number
        for item in items:
            image = image_of(item)
            small = _reduce(image)
            after = TrackingImage.of(small)
            if before is not None:
                window[-1] = _with_step(window[-1], align_pair(before, after))
            lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)
            window.append(_Seen(item, (image.shape[0], image.shape[1]), np.asarray(lab)))
            before = after
            if len(window) - centre > self.context_frames:
                yield self._take(window, centre, is_wanted(number))
                centre, number = self._advance(window, centre), number + 1
        while centre < len(window):
            yield self._take(window, centre, is_wanted(number))
            centre, number = self._advance(window, centre), number + 1

    def _take(
        self, window: deque[_Seen[Item]], centre: int, wanted: bool
    ) -> tuple[Item, Frame | None]:
        seen = window[centre]
        assert seen.item is not None
        residual = self._compute(window, centre) if wanted else None
        window[centre] = _Seen(None, seen.size, seen.lab, seen.to_next)
        return seen.item, residual

    def _advance(self, window: deque[_Seen[Item]], centre: int) -> int:
        if centre < self.context_frames:
            return centre + 1
        window.popleft()
        return centre

    def _compute(self, window: deque[_Seen[Item]], centre: int) -> Frame:
        own = window[centre]
        height, width = own.lab.shape[:2]
        moved: list[Picture] = []
        known: list[Picture] = []
        white = np.full((height, width), 255, np.uint8)
        for place, to_place in self._steps(window, centre):
            lab = window[place].lab
            if lab.shape == own.lab.shape:
                moved.append(_warp(lab, to_place, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE))
                known.append(_warp(white, to_place, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT))
        if not moved:
            return np.full((*own.size, 3), GREY, np.uint8)
        plate, count = _median_of_known(moved, known)
        difference = _GAIN * (own.lab.astype(np.int16) - plate)
        residual = (GREY + difference.clip(-127, 127)).astype(np.uint8)
        residual[count == 0] = GREY
        if (height, width) != own.size:
            residual = np.asarray(
                cv2.resize(residual, own.size[::-1], interpolation=cv2.INTER_LINEAR), np.uint8
            )
        return residual

    def _steps(self, window: deque[_Seen[Item]], centre: int) -> Iterator[tuple[int, Homography]]:
        """Yield the places of the frames of the plate, and the homography from the centre to each.

        Multiplied anew for each frame, from the centre outwards: the bits then do not depend on
        where the clip began.
        """
        for direction in (-1, 1):
            chained: Homography = np.eye(3)
            for distance in range(1, self.context_frames + 1):
                place = centre + direction * distance
                if not 0 <= place < len(window):
                    break
                pair = window[place if direction < 0 else place - 1].to_next
                if pair is None:
                    break
                step = invert_homography(pair) if direction < 0 else pair
                chained = step @ chained
                if distance in self._offsets:
                    yield place, chained


def _with_step(seen: _Seen[Item], step: Homography | None) -> _Seen[Item]:
    return _Seen(seen.item, seen.size, seen.lab, step)


def _reduce(image: Frame) -> Picture:
    """Return a frame with a short side of at most 240 pixels."""
    height, width = image.shape[:2]
    scale = _SHORT_SIDE_PX / min(height, width)
    if scale >= 1:
        return np.ascontiguousarray(image)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _warp(picture: Picture, homography: Homography, interpolation: int, border: int) -> Picture:
    """Return what a picture shows at the positions that a homography leads to."""
    size = picture.shape[1], picture.shape[0]
    flags = interpolation | cv2.WARP_INVERSE_MAP
    moved = cv2.warpPerspective(picture, homography, size, flags=flags, borderMode=border)
    return np.asarray(moved, np.uint8)


def _median_of_known(
    moved: Sequence[Picture], known: Sequence[Picture]
) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Return the median of the pixels that are known, int16 (h, w, 3), and how many are, (h, w).

    What is not known is black and white by turns, so that it lies on both sides of the median:
    of eight, the fifth is then that of an odd number of known pixels, and the mean of the fourth
    and fifth that of an even number.
    """
    height, width = moved[0].shape[:2]
    planes, missing = [], np.zeros((height, width), np.uint8)
    for number in range(_SAMPLES):
        unknown = known[number] == 0 if number < len(moved) else np.ones((height, width), np.bool_)
        filler = np.where(missing % 2 == 0, np.uint8(0), np.uint8(255))
        lab = moved[number] if number < len(moved) else np.zeros((height, width, 3), np.uint8)
        planes.append(np.where(unknown[..., None], filler[..., None], lab))
        missing += unknown
    for low, high in _SORT:
        smaller = cv2.min(planes[low], planes[high])
        planes[high] = np.asarray(cv2.max(planes[low], planes[high]), np.uint8)
        planes[low] = np.asarray(smaller, np.uint8)
    count = np.uint8(_SAMPLES) - missing
    fifth = planes[_HIGH].astype(np.int16)
    mean = (planes[_LOW].astype(np.int16) + fifth + 1) // 2
    return np.where((count % 2 == 1)[..., None], fifth, mean), count
