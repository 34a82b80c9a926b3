"""Masks that agree over time, by a vote of neighbouring frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from outtake.masking.class_selection import BinaryMask, SelectedFrame
from outtake.masking.frame_window import sliding_windows
from outtake.motion.optical_flow import (
    Floats,
    GreyImage,
    Positions,
    compute_flow,
    reduce_to_grey,
    reduced_size,
    warp_image,
)

_LONGEST_SIDE_PX = 320
# The weight of a frame's own mask, and of masks one, two, ... frames away.
_WEIGHTS = (1.0, 1.0, 0.7, 0.5, 0.35, 0.25)
MAX_VOTE_FRAMES = len(_WEIGHTS) - 1
# The share of the votes that selects a pixel, of 255. What a mask misses stays visible, so two
# votes of five are enough, and one is not.
_VOTE_THRESHOLD = 89
# The residual in grey levels up to which the vote of a warped neighbour counts fully, and from
# which it counts least.
_GOOD_RESIDUAL, _BAD_RESIDUAL, _MIN_TRUST = 8.0, 40.0, 0.1
_TRUST = np.interp(np.arange(256), (_GOOD_RESIDUAL, _BAD_RESIDUAL), (1, _MIN_TRUST)).astype(
    np.float32
)
# A pair of frames is a cut if more than this share of pixels has a residual above this.
_CUT_RESIDUAL, _CUT_SHARE = 20, 0.25
# How far the vote must differ from the frame's own mask to change it, of 255.
_MIN_DISAGREEMENT = 64


@dataclass(frozen=True, slots=True)
class _WarpedNeighbour:
    """A neighbouring frame warped to a frame.

    Attributes:
        positions: Where the frame's pixels are in the neighbour.
        trust: How well the warped neighbour matches the frame, 0 to 1.
        mask: The neighbour's warped mask, 0 to 255, times the trust.
    """

    positions: Positions
    trust: Floats
    mask: Floats


@dataclass(slots=True)
class _WindowFrame:
    """A frame of the window, with what has been computed for it."""

    selected: SelectedFrame
    small_mask: GreyImage | None
    size: tuple[int, int]
    grey: GreyImage | None = None
    neighbour_cache: dict[int, _WarpedNeighbour | None] = field(default_factory=dict)
    vote_cache: dict[tuple[int, int], tuple[Floats, Floats] | None] = field(default_factory=dict)


class TemporalVote:
    """Lets neighbouring frames vote on the mask of each frame; masks are warped by optical flow.

    Completes masks that are missing or have gaps in a few frames, and drops what is masked in one
    frame only. Where the vote agrees with the frame's own mask, that stays pixel by pixel. The
    vote is taken at a reduced size and never across a cut.

    Args:
        frames: The number of frames that vote, before and after.

    Attributes:
        context_frames: The same number.
    """

    def __init__(self, frames: int) -> None:
        self.context_frames = frames

    def __call__(self, clip: Iterable[SelectedFrame]) -> Iterator[SelectedFrame]:
        """Yield each frame with the mask that the vote decides."""
        for window, centre in sliding_windows(map(_make_window_frame, clip), self.context_frames):
            voters = range(
                max(0, centre - self.context_frames),
                min(len(window), centre + self.context_frames + 1),
            )
            here = window[centre]
            if any(window[index].small_mask is not None for index in voters):
                mask = _apply_vote(
                    here.selected.mask, here.small_mask, self._count_votes(window, centre)
                )
                yield SelectedFrame(here.selected.labelled, mask)
            else:
                yield here.selected

    def _count_votes(self, window: Sequence[_WindowFrame], centre: int) -> Floats:
        here = window[centre]
        height, width = here.size
        votes = np.zeros((height, width), np.float32)
        if here.small_mask is not None:
            votes += _WEIGHTS[0] * here.small_mask
        total = np.full((height, width), _WEIGHTS[0], np.float32)
        for step in (-1, 1):
            for distance in range(1, self.context_frames + 1):
                vote = self._neighbour_vote(window, centre, step, distance)
                if vote is None:
                    break
                mask, trust = vote
                cv2.scaleAdd(mask, _WEIGHTS[distance], votes, votes)
                cv2.scaleAdd(trust, _WEIGHTS[distance], total, total)
        return np.asarray(cv2.divide(votes, total), np.float32)

    def _neighbour_vote(
        self, window: Sequence[_WindowFrame], index: int, step: int, distance: int
    ) -> tuple[Floats, Floats] | None:
        """Return a neighbour's warped mask times its trust, and the trust; None beyond a cut.

        Masks are warped frame by frame, so all steps but one were computed for a previous frame.
        """
        here = window[index]
        if (step, distance) not in here.vote_cache:
            here.vote_cache[step, distance] = self._warp_neighbour_vote(
                window, index, step, distance
            )
        return here.vote_cache[step, distance]

    def _warp_neighbour_vote(
        self, window: Sequence[_WindowFrame], index: int, step: int, distance: int
    ) -> tuple[Floats, Floats] | None:
        if not 0 <= index + step < len(window):
            return None
        neighbour = self._cached_neighbour(window[index], window[index + step], step)
        if neighbour is None:
            return None
        if distance == 1:
            return neighbour.mask, neighbour.trust
        before = self._neighbour_vote(window, index + step, step, distance - 1)
        if before is None:
            return None
        mask, trust = before
        return (
            warp_image(mask, neighbour.positions) * neighbour.trust,
            warp_image(trust, neighbour.positions) * neighbour.trust,
        )

    def _cached_neighbour(
        self, here: _WindowFrame, there: _WindowFrame, step: int
    ) -> _WarpedNeighbour | None:
        if step not in here.neighbour_cache:
            here.neighbour_cache[step] = self._warp_neighbour(here, there)
        return here.neighbour_cache[step]

    def _warp_neighbour(self, here: _WindowFrame, there: _WindowFrame) -> _WarpedNeighbour | None:
        if here.size != there.size:
            return None
        picture, other = _cached_grey(here), _cached_grey(there)
        positions = compute_flow(picture, other)
        warped = warp_image(other, positions)
        # A change of exposure changes all pixels alike.
        brighter = cv2.mean(picture)[0] - cv2.mean(warped)[0]
        residual = np.asarray(cv2.absdiff(picture, cv2.add(warped, brighter)), np.uint8)
        if np.count_nonzero(residual > _CUT_RESIDUAL) > _CUT_SHARE * residual.size:
            return None
        trust = np.asarray(cv2.LUT(cv2.blur(residual, (5, 5)), _TRUST), np.float32)
        if there.small_mask is None:
            return _WarpedNeighbour(positions, trust, np.zeros_like(trust))
        mask = cv2.multiply(warp_image(there.small_mask, positions), trust, dtype=cv2.CV_32F)
        return _WarpedNeighbour(positions, trust, np.asarray(mask, np.float32))


def _make_window_frame(selected: SelectedFrame) -> _WindowFrame:
    rows, columns = selected.mask.shape
    width, height = reduced_size(rows, columns, _LONGEST_SIDE_PX)
    small_mask = None
    if selected.mask.any():
        full = selected.mask * np.uint8(255)
        small_mask = np.asarray(
            cv2.resize(full, (width, height), interpolation=cv2.INTER_AREA), np.uint8
        )
    return _WindowFrame(selected, small_mask, (height, width))


def _cached_grey(item: _WindowFrame) -> GreyImage:
    if item.grey is None:
        item.grey = reduce_to_grey(item.selected.labelled.frame.image, _LONGEST_SIDE_PX)
    return item.grey


def _apply_vote(mask: BinaryMask, small_mask: GreyImage | None, vote: Floats) -> BinaryMask:
    """Return the mask at full size, changed where the reduced vote differs from it."""
    votes = cv2.convertScaleAbs(vote)
    size = mask.shape[::-1]
    if small_mask is None:
        if cv2.minMaxLoc(votes)[1] <= _VOTE_THRESHOLD:
            return mask
        votes = cv2.resize(votes, size, interpolation=cv2.INTER_LINEAR)
        return np.asarray(cv2.threshold(votes, _VOTE_THRESHOLD, 1, cv2.THRESH_BINARY)[1], np.uint8)
    if cv2.norm(votes, small_mask, cv2.NORM_INF) <= _MIN_DISAGREEMENT:
        return mask
    # Half of each difference, so that it fits around 128; at full size its sign decides.
    more = cv2.addWeighted(votes, 0.5, small_mask, -0.5, 128 - _MIN_DISAGREEMENT / 2)
    less = cv2.addWeighted(votes, -0.5, small_mask, 0.5, 128 - _MIN_DISAGREEMENT / 2)
    added = cv2.min(more, cv2.addWeighted(votes, 0.5, votes, 0.0, 128 - _VOTE_THRESHOLD / 2))
    dropped = cv2.min(less, cv2.addWeighted(votes, -0.5, votes, 0.0, 128 + _VOTE_THRESHOLD / 2))
    for change, value in ((added, 1), (dropped, 0)):
        if cv2.minMaxLoc(change)[1] > 128:
            full = cv2.resize(change, size, interpolation=cv2.INTER_LINEAR)
            there = cv2.threshold(full, 128, 1, cv2.THRESH_BINARY)[1]
            mask = cv2.max(mask, there) if value else cv2.subtract(mask, there)
    return np.asarray(mask, np.uint8)
