"""Which frames of a shot are held in memory, so that its background can be made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Mask
from outtake.motion.homography import Homography, invert_homography
from outtake.motion.warp import project_points
from outtake.removal.stitching.registration import Light, RegistrationImage

Picture = NDArray[np.uint8] | NDArray[np.uint16]

# What one frame alone shows is looked for at so many positions along the width, but not at the
# rim of the frame, which is that of the picture: a camera that shakes shows more of it each time.
_POSITIONS_ACROSS, _RIM = 480, 0.02
_LEAST_NEW_POSITIONS = 4
# Beyond this ratio of sizes within a picture, one frame would be a stretched corner of it; so it
# would where one corner of it is so much nearer to the plane's horizon than another.
_MAX_STRETCH, _LEAST_DEPTH = 4.0, 0.2


@dataclass(frozen=True, slots=True, eq=False)
class KeptFrame:
    """A frame of a shot, and where it lies.

    Attributes:
        number: The number of the frame, from 0 for the first that is added.
        image: The picture, uint8 or uint16 (H, W, 3).
        mask: What is removed, bool (H, W).
        small: The frame at the size at which frames are compared.
        to_first: The homography to the first frame of the shot, (3, 3).
        light: What makes its colours those of the first frame.
    """

    number: int
    image: Picture
    mask: Mask
    small: RegistrationImage
    to_first: Homography
    light: Light

    @property
    def nbytes(self) -> int:
        """The memory that it takes, in bytes."""
        return count_bytes(self.image, self.mask, self.small)


def count_bytes(image: Picture, mask: Mask, small: RegistrationImage) -> int:
    """Return the memory that a frame takes while it is held, and when the picture is made."""
    # That makes another mask of each.
    return image.nbytes + 2 * mask.nbytes + 5 * small.grey.size


def frame_corners(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the centres of the corner pixels of a picture (H, W), x and y, float32 (4, 2)."""
    bottom, right = shape[0] - 1, shape[1] - 1
    return np.array([(0, 0), (right, 0), (right, bottom), (0, bottom)], np.float32)


def find_stretched(homographies: Homography, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which homographies (n, 3, 3) stretch a frame (H, W) beyond use, bool (n,)."""
    corners = frame_corners(shape)
    depth = homographies[:, 2, :2] @ corners.T + homographies[:, 2, 2:]
    is_steep = depth.min(axis=1) <= _LEAST_DEPTH * np.abs(depth).max(axis=1)
    moved = project_points(homographies, corners)
    sides = np.linalg.norm(moved - np.roll(moved, 1, axis=1), axis=2)
    own = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1)
    ratios = sides[:, own > 0] / own[own > 0]  # a frame may be one pixel high
    is_resized = (ratios > _MAX_STRETCH) | (ratios < 1 / _MAX_STRETCH)
    return np.asarray(is_steep | is_resized.any(axis=1))


def measure_overlap(homography: Homography, shape: tuple[int, ...]) -> float:
    """Return the share of a frame (H, W) that another one of its size shows, 0 to 1.

    Args:
        homography: From pixels of the frame to pixels of the other.
        shape: Their height and width.
    """
    # Between the frames, seen from the one that is measured.
    there = project_points(invert_homography(homography), frame_corners(shape))
    area, _ = cv2.intersectConvexConvex(cv2.convexHull(there), frame_corners(shape))
    return float(area) / max((shape[0] - 1) * (shape[1] - 1), 1)


class KeptFrames:
    """The frames of a shot that show all that any frame of it shows, and others between them.

    A frame is needed if it shows a place that neither a needed frame before it nor the frame after
    it shows; the newest frame is, for as long as it is the newest. Of the others every n-th is
    kept, and n is doubled when the memory is full.

    Attributes:
        max_bytes: The memory for them.

    Args:
        max_bytes: Likewise.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._needed: list[KeptFrame] = []
        self._others: list[KeptFrame] = []
        self._newest: KeptFrame | None = None
        self._step = 1

    @property
    def nbytes(self) -> int:
        """The memory that they take, in bytes."""
        return sum(one.nbytes for one in self.list_all())

    def list_all(self) -> list[KeptFrame]:
        """Return all frames in the order of the clip."""
        newest = [] if self._newest is None else [self._newest]
        return sorted((*self._needed, *self._others, *newest), key=lambda one: one.number)

    def list_needed(self) -> list[KeptFrame]:
        """Return the frames without which some place would be unseen, but for the newest."""
        return list(self._needed)

    def has_room(self) -> bool:
        """Return whether another needed frame would fit if all others were dropped."""
        size = sum(one.nbytes for one in self._needed)
        return self._newest is None or size + 2 * self._newest.nbytes <= self.max_bytes

    def clear(self) -> None:
        """Drop all frames."""
        self._needed, self._others, self._newest = [], [], None

    def add(self, frame: KeptFrame, *, is_needed: bool = False) -> None:
        """Take the next frame of the shot.

        Args:
            frame: The frame.
            is_needed: Whether it is kept in any case.
        """
        before, self._newest = self._newest, None if is_needed else frame
        if before is not None:
            if self._shows_alone(before, [*self._needed, frame]):
                self._needed.append(before)
            elif before.number % self._step == 0:
                self._others.append(before)
        if is_needed:
            self._needed.append(frame)
        self.thin(self.max_bytes)

    def thin(self, max_bytes: int) -> None:
        """Drop frames that are not needed, until the others take no more memory or none is left."""
        while self._others and self.nbytes > max_bytes:
            self._step *= 2
            kept = [one for one in self._others if one.number % self._step == 0]
            self._others = kept if self._step <= self.list_all()[-1].number else []

    def _shows_alone(self, frame: KeptFrame, others: Sequence[KeptFrame]) -> bool:
        """Return whether a frame shows places that none of some others shows."""
        step = max(2, frame.mask.shape[1] // _POSITIONS_ACROSS)
        rim = round(_RIM * frame.mask.shape[1])
        rows, columns = np.nonzero(
            ~frame.mask[rim : -rim or None : step, rim : -rim or None : step]
        )
        points = np.stack((columns, rows), axis=1).astype(np.float32) * step + rim
        for one in reversed(others):
            points = points[~_are_shown(one, frame, points)]
            if len(points) < _LEAST_NEW_POSITIONS:
                return False
        return True


def _are_shown(one: KeptFrame, frame: KeptFrame, points: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which positions (n, 2) of a frame another one shows, bool (n,)."""
    between = invert_homography(one.to_first) @ frame.to_first
    x, y = np.rint(project_points(between, points)).T
    height, width = one.mask.shape
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    shown = np.zeros(len(points), np.bool_)
    shown[inside] = ~one.mask[y[inside].astype(np.int64), x[inside].astype(np.int64)]
    return shown
