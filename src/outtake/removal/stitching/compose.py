"""One picture of the frames of a shot: the median of what they show, with alpha."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.motion.homography import Homography, invert_homography, resize_homography
from outtake.motion.warp import project_points
from outtake.removal.stitching.kept_frames import (
    KeptFrame,
    Picture,
    find_stretched,
    frame_corners,
)

_TILE_PX = 256
# Bicubic sampling reads up to two pixels away.
_BICUBIC_SUPPORT = np.ones((5, 5), np.uint8)
_STILL_PX = 0.05
_NOT_SEEN = np.float32(1e9)
# So many frames at most are tried as the one that keeps its shape: each is compared with all.
_MOST_TRIED = 64


@dataclass(frozen=True, slots=True)
class Canvas:
    """Where the frames of a shot lie in its picture.

    Attributes:
        height: The height of the picture in pixels.
        width: Its width.
        from_first: The homography from the first frame of the shot to the picture, (3, 3).
        reference: The number of the frame whose pixels have the size of the picture's.
        scale: The size of the picture's pixels in the reference frame's; above 1 if it had to be
            reduced.
    """

    height: int
    width: int
    from_first: Homography
    reference: int
    scale: float


def lay_out(frames: Sequence[KeptFrame], max_side_px: int) -> Canvas:
    """Return a canvas for frames; one of them, near the middle of the shot, keeps its shape.

    It is the one nearest to the middle in whose plane no frame is stretched beyond use: where the
    camera turns to one side and back to the other, that in the middle looks far to one side.

    Args:
        frames: The frames, in the order of the clip; the first one stretches none of them.
        max_side_px: No side of the picture is longer.
    """
    reference = _choose_reference(frames)
    to_reference = invert_homography(reference.to_first)
    corners = frame_corners(reference.mask.shape)
    homographies = to_reference @ np.stack([one.to_first for one in frames])
    placed = project_points(homographies, corners).reshape(-1, 2)
    # A frame that stands still is found to move by a thousandth of a pixel.
    low = np.floor(placed.min(axis=0) + _STILL_PX)
    high = np.ceil(placed.max(axis=0) - _STILL_PX)
    scale = max(1.0, float((high - low).max() + 1) / max_side_px)
    width, height = (int(np.ceil((high[k] - low[k] + 1) / scale)) for k in range(2))
    shift = np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1]], np.float64)
    to_picture = resize_homography(1 / scale) @ shift @ to_reference
    return Canvas(height, width, to_picture, reference.number, scale)


def _choose_reference(frames: Sequence[KeptFrame]) -> KeptFrame:
    """Return the frame nearest to the middle of the shot that stretches no other beyond use."""
    middle = (frames[0].number + frames[-1].number) / 2
    nearest = sorted(frames, key=lambda one: abs(one.number - middle))
    to_first = np.stack([one.to_first for one in frames])
    for one in nearest[:: -(-len(nearest) // _MOST_TRIED)]:
        homographies = invert_homography(one.to_first) @ to_first
        if not find_stretched(homographies, one.mask.shape).any():
            return one
    return frames[0]


def compose(frames: Sequence[KeptFrame], canvas: Canvas, samples: int) -> Picture:
    """Return the picture of a canvas, red, green, blue and alpha, (height, width, 4).

    Each pixel is the median of what up to ``samples`` frames show there, spread over the shot, in
    the light of the reference frame. Alpha is 0 where no frame shows the background, and the full
    value elsewhere.

    Args:
        frames: The frames, in the order of the clip, all uint8 or all uint16.
        canvas: Where they lie.
        samples: The number of frames that are looked at for a pixel, unless it is unseen in them.
    """
    kind = np.iinfo(frames[0].image.dtype)
    reference = next(one for one in frames if one.number == canvas.reference)
    picture = np.zeros((canvas.height, canvas.width, 4), kind.dtype)
    homographies = [canvas.from_first @ one.to_first for one in frames]
    known = [cv2.erode((~one.mask).view(np.uint8), _BICUBIC_SUPPORT) for one in frames]
    boxes = [_bounding_box(h, frames[0].mask.shape) for h in homographies]
    for top in range(0, canvas.height, _TILE_PX):
        for left in range(0, canvas.width, _TILE_PX):
            size = min(_TILE_PX, canvas.height - top), min(_TILE_PX, canvas.width - left)
            tile = _Tile(top, left, size)
            near = [k for k in range(len(frames)) if tile.meets(boxes[k])]
            taken: list[NDArray[np.float32]] = []
            seen = np.zeros(size, np.bool_)
            for turn, k in enumerate(_spread(near, samples)):
                if turn >= samples and seen.all():
                    break
                if (
                    turn >= samples
                    and not (tile.sample_known(known[k], homographies[k]) & ~seen).any()
                ):
                    continue
                layer = tile.sample(frames[k], homographies[k], known[k], reference, kind.max)
                seen |= layer[..., 0] != _NOT_SEEN
                taken.append(layer)
            if not taken:
                continue
            part = picture[top : top + size[0], left : left + size[1]]
            colours = _median_of_seen(np.stack(taken))
            part[..., :3] = np.where(seen[..., None], np.clip(np.rint(colours), 0, kind.max), 0)
            part[..., 3] = np.where(seen, kind.max, 0)
    return picture


@dataclass(frozen=True, slots=True)
class _Tile:
    """A part of the picture: its first row and column, and its height and width."""

    top: int
    left: int
    size: tuple[int, int]

    def meets(self, box: NDArray[np.float64]) -> bool:
        """Return whether a frame's left, top, right and bottom reach into the tile."""
        return bool(
            box[0] < self.left + self.size[1]
            and box[2] >= self.left
            and box[1] < self.top + self.size[0]
            and box[3] >= self.top
        )

    def sample_known(self, known: NDArray[np.uint8], homography: Homography) -> NDArray[np.bool_]:
        """Return where a frame shows the background, bool (h, w)."""
        flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        moved = cv2.warpPerspective(known, self._to_frame(homography), self.size[::-1], flags=flags)
        return np.asarray(moved > 0)

    def sample(
        self,
        frame: KeptFrame,
        homography: Homography,
        known: NDArray[np.uint8],
        reference: KeptFrame,
        highest: int,
    ) -> NDArray[np.float32]:
        """Return what a frame shows in the reference's light, float32 (h, w, 3)."""
        moved = cv2.warpPerspective(
            frame.image,
            self._to_frame(homography),
            self.size[::-1],
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        light = frame.light.seen_from(reference.light)
        gain, offset = (
            one.astype(np.float32) for one in (light.gain, light.offset * (highest / 255))
        )
        layer = np.asarray(moved * gain + offset, np.float32)
        layer[~self.sample_known(known, homography)] = _NOT_SEEN
        return layer

    def _to_frame(self, homography: Homography) -> Homography:
        """Return the homography from the tile to a frame, given that from the frame."""
        shift = np.array([[1, 0, -self.left], [0, 1, -self.top], [0, 0, 1]], np.float64)
        return invert_homography(shift @ homography)


def _bounding_box(homography: Homography, shape: tuple[int, ...]) -> NDArray[np.float64]:
    corners = project_points(homography, frame_corners(shape))
    return np.concatenate((corners.min(axis=0), corners.max(axis=0))).astype(np.float64)


def _spread(items: Sequence[int], count: int) -> list[int]:
    """Return ``count`` items that lie evenly spread among all, then the others."""
    if len(items) <= count:
        return list(items)
    places = np.unique(np.rint(np.linspace(0, len(items) - 1, count)).astype(int))
    first = [items[place] for place in places]
    rest = sorted(set(items) - set(first))
    return first + rest


def _median_of_seen(layers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the median of those of n layers (n, h, w, 3) that are seen at each pixel."""
    count = (layers[..., 0] != _NOT_SEEN).sum(axis=0)
    ordered = np.sort(layers, axis=0)
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, len(layers) - 1)
    ends = [np.take_along_axis(ordered, place[None, ..., None], axis=0)[0] for place in (low, high)]
    return np.asarray((ends[0] + ends[1]) / 2, np.float32)
