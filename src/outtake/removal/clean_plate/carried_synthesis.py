"""What was synthesised in one frame, carried to the frames after it.

Something synthesised anew in each frame would flicker, and something moved on from frame to frame
would blur. So the frame in which it was made is kept, and later frames are sampled from that one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from outtake.core.compiled_loops import compile_loop
from outtake.core.types import Frame, Mask
from outtake.motion.homography import Homography
from outtake.motion.tracking import RETURN_FRAMES
from outtake.motion.warp import Points
from outtake.removal.clean_plate.alignment import align_references
from outtake.removal.clean_plate.frame_buffer import BufferedFrame, reference_between
from outtake.removal.clean_plate.hole_regions import Floats
from outtake.removal.clean_plate.memory_budget import KEPT_FRAMES
from outtake.removal.clean_plate.read_pixels import project, read_colour
from outtake.removal.clean_plate.region_fill import RegionFill


@dataclass(slots=True, eq=False)
class _KeptFrame:
    """A frame with its hole filled.

    Attributes:
        frame: The frame, its image filled.
        own: The pixels that are carried from it, bool (H, W).
        carried: The pixels of the last frame of its shot that came from it, bool (H, W).
        last_number: The number of that frame; one without a hole does not count.
    """

    frame: BufferedFrame
    own: Mask
    carried: Mask
    last_number: int


class CarriedSynthesis:
    """Keeps frames in which something was synthesised, and carries it to the following ones.

    Args:
        max_error: The largest residual of an alignment in grey levels.
    """

    def __init__(self, max_error: float) -> None:
        self._max_error = max_error
        self._kept: list[_KeptFrame] = []

    def carry_to(self, centre: BufferedFrame, fills: Sequence[RegionFill]) -> None:
        """Fill pixels that have no colour yet from the frames that are kept, the oldest first."""
        # A shot may go on after a flash.
        shot = centre.view.shot
        self._kept = [
            kept
            for kept in self._kept
            if kept.frame.view.shot == shot or centre.number - kept.last_number <= RETURN_FRAMES
        ]
        for kept in self._list_kept(shot):
            kept.carried, kept.last_number = np.zeros_like(centre.mask), centre.number
            lacking = [fill for fill in fills if not fill.is_complete()]
            if not lacking:
                continue
            reference = reference_between(centre, kept.frame)
            alignments = align_references([fill.region for fill in lacking], [reference])
            for fill, alignment in zip(lacking, alignments, strict=True):
                score = float(alignment.trimmed_scores[0])
                # Without a score it shows too little of the ring: the camera has to do.
                if np.isfinite(score) and score > self._max_error:
                    continue
                points = fill.unfilled_points()
                colours, found = np.empty((len(points), 3), np.float32), np.empty(len(points), bool)
                _sample_own(
                    kept.frame.image, kept.own, alignment.homographies[0], points,
                    alignment.gains[0], alignment.offsets[0], colours, found,
                )  # fmt: skip
                fill.take_synthesised(colours, found)
                columns, rows = points[found].astype(np.intp).T
                kept.carried[rows, columns] = True

    def keep(self, centre: BufferedFrame, image: Frame, synthesised: Mask) -> None:
        """Keep a frame in which pixels were synthesised that no kept frame showed.

        Args:
            centre: The frame.
            image: Its filled image.
            synthesised: The pixels that were synthesised in it.
        """
        own = synthesised
        here = self._list_kept(centre.view.shot)
        others = [kept for kept in self._kept if kept not in here]
        if len(here) == KEPT_FRAMES - bool(others):
            # One stays, and one goes on with what becomes visible little by little. What the one
            # that is given up still showed is carried from this one.
            least = min(here, key=lambda kept: np.count_nonzero(kept.carried))
            here = [kept for kept in here if kept is not least]
            own = own | least.carried
        elif len(here) + len(others) == KEPT_FRAMES:
            others = [max(others, key=lambda kept: np.count_nonzero(kept.carried))]
        filled = np.ascontiguousarray(image).view()
        filled.flags.writeable = False
        picture = replace(centre.source.frame, image=filled, image16=None)
        source = replace(centre.source, frame=picture)
        frame = replace(centre, source=source, image=filled)
        latest = _KeptFrame(frame, own, np.zeros_like(own), centre.number)
        self._kept = [*others, *here, latest]

    def _list_kept(self, shot: int) -> list[_KeptFrame]:
        return [kept for kept in self._kept if kept.frame.view.shot == shot]


@compile_loop
def _sample_own(
    image: Frame,
    own: Mask,
    homography: Homography,
    points: Points,
    gains: Floats,
    offsets: Floats,
    colours: Floats,
    found: Mask,
) -> None:
    """Sample the pixels of an image that are its own.

    Args:
        image: The image, (H, W, 3).
        own: True for its own pixels, (H, W).
        homography: From the points to the image, (3, 3).
        points: Positions, (n, 2).
        gains: The factors that adapt the colours, (3,).
        offsets: What is then added, (3,).
        colours: The colours; written, (n, 3).
        found: Where the nearest pixel is its own; written, (n,).
    """
    for i in range(len(points)):
        x, y = project(homography, float(points[i, 0]), float(points[i, 1]))
        column, row = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
        found[i] = 0 <= row < own.shape[0] and 0 <= column < own.shape[1] and own[row, column]
        if found[i]:
            colour = read_colour(image, x, y)
            for c in range(3):
                colours[i, c] = np.float32(colour[c]) * gains[c] + offsets[c]
