"""A shot whose background is being stitched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from outtake.core.types import Mask
from outtake.motion.homography import Homography, TrackedView, invert_homography
from outtake.removal.stitching.compose import Canvas, compose, lay_out
from outtake.removal.stitching.kept_frames import (
    KeptFrame,
    KeptFrames,
    Picture,
    find_stretched,
    measure_overlap,
)
from outtake.removal.stitching.registration import Light, RegistrationImage, register

# A frame is compared with the earliest one that shows so much of it: then errors add up least.
_WELL_OVERLAPPING = 0.75


@dataclass(frozen=True, slots=True)
class PlacedFrame:
    """Where a frame lies in the picture of its shot.

    Attributes:
        number: The number of the frame, from 0 for the first that is added.
        time_s: Its time in the clip, in seconds.
        to_picture: The homography from its pixels to those of the picture, (3, 3); pixel centres
            are integers in both.
        light: What makes its colours those of the picture, in grey levels of 0 to 255.
        residual_grey: The mean difference to the frame that it was compared with, in grey levels,
            each averaged over 5 x 5 pixels; None for the first of a picture that others could be
            compared with, and for those that were placed by the motion of tracked points alone.
    """

    number: int
    time_s: Fraction
    to_picture: Homography
    light: Light
    residual_grey: float | None


@dataclass(frozen=True, slots=True)
class StitchedBackground:
    """The background of a shot, or of a part of one.

    Attributes:
        picture: Red, green, blue and alpha, uint8 or uint16 (H, W, 4); alpha is 0 where no frame
            shows the background.
        shot: The number of the shot in the clip, from 1.
        reference: The number of the frame whose light and size of pixels the picture has.
        scale: How many of that frame's pixels are one of the picture, along a side.
        frames: The frames, in the order of the clip.
    """

    picture: Picture
    shot: int
    reference: int
    scale: float
    frames: tuple[PlacedFrame, ...]

    @property
    def seen_share(self) -> float:
        """The share of the picture that some frame shows."""
        return float(np.count_nonzero(self.picture[..., 3]) / self.picture[..., 3].size)


@dataclass(frozen=True, slots=True)
class _Place:
    """A frame that was registered, relative to the first frame of its picture."""

    number: int
    time_s: Fraction
    to_first: Homography
    light: Light
    residual_grey: float | None


@dataclass(frozen=True, slots=True, eq=False)
class StitchedFrame:
    """A frame that is to be placed.

    Attributes:
        number: Its number, from 0 for the first that is added.
        time_s: Its time in the clip, in seconds.
        image: The picture, uint8 or uint16 (H, W, 3).
        mask: What is removed or shows no colour, bool (H, W).
        small: The frame at the size at which frames are compared.
        view: How the camera sees it.
    """

    number: int
    time_s: Fraction
    image: Picture
    mask: Mask
    small: RegistrationImage
    view: TrackedView


class OpenShot:
    """The frames of a shot, or of the part of one that is being stitched.

    Args:
        number: The number of the shot, from 0 for the first of the clip.
        max_bytes: The memory for its frames.
    """

    def __init__(self, number: int, max_bytes: int) -> None:
        self.number = number
        # The newest one alone: the points of all frames of a long shot would fill the memory.
        self._view: TrackedView | None = None
        self._begin(max_bytes)

    def _begin(self, max_bytes: int) -> None:
        self.kept = KeptFrames(max_bytes)
        self._places: list[_Place] = []
        self._is_compared = False

    def add(self, frame: StitchedFrame) -> bool:
        """Take the next frame; False, and it is not taken, if the plane would stretch it."""
        place, overlap = self._place(frame)
        if find_stretched(place.to_first[None], frame.mask.shape).any():
            return False
        self._places.append(place)
        self._view = frame.view
        kept = KeptFrame(
            frame.number, frame.image, frame.mask, frame.small, place.to_first, place.light
        )
        if place.residual_grey is not None:
            self._is_compared = True
            self.kept.add(kept, is_needed=overlap < _WELL_OVERLAPPING)
        elif not self._is_compared:
            # Black before a fade, or all removed: this may be the first to be compared with.
            self.kept.clear()
            self.kept.add(kept, is_needed=True)
        # Any other that was not compared may lie beside its place.
        return True

    def add_hidden(self, number: int, time_s: Fraction) -> None:
        """Take a frame of which nothing is seen: nothing says where it is."""
        self._places.append(replace(self._places[-1], number=number, time_s=time_s,
                                    residual_grey=None))  # fmt: skip

    def finish(self, max_side_px: int, samples: int) -> StitchedBackground:
        """Return the picture of the frames since the last one; those that follow begin another."""
        frames = self.kept.list_all()
        canvas = lay_out(frames, max_side_px)
        picture = compose(frames, canvas, samples)
        reference = next(one for one in frames if one.number == canvas.reference)
        places = tuple(_place_in_picture(each, canvas, reference.light) for each in self._places)
        self._begin(self.kept.max_bytes)
        return StitchedBackground(picture, self.number + 1, canvas.reference, canvas.scale, places)

    def _place(self, frame: StitchedFrame) -> tuple[_Place, float]:
        """Return where a frame lies, and how much of it the frame that says so shows."""
        number, time_s, shape = frame.number, frame.time_s, frame.mask.shape
        if not self._places or self._view is None:
            return _Place(number, time_s, np.eye(3), Light.identity(), None), 0.0
        before = self._places[-1]
        guess = before.to_first @ frame.view.homography_to(self._view)
        candidates = [
            (measure_overlap(invert_homography(one.to_first) @ guess, shape), one)
            for one in self.kept.list_needed()
        ]
        good = [pair for pair in candidates if pair[0] >= _WELL_OVERLAPPING]
        overlap, anchor = good[0] if good else max(candidates, key=lambda pair: pair[0])
        found = register(frame.small, anchor.small, invert_homography(anchor.to_first) @ guess)
        if found is None:
            return _Place(number, time_s, guess, before.light, None), overlap
        to_first = anchor.to_first @ found.homography
        to_first /= to_first[2, 2]
        light = found.light.then(anchor.light)
        return _Place(number, time_s, to_first, light, found.residual_grey), overlap


def _place_in_picture(place: _Place, canvas: Canvas, reference: Light) -> PlacedFrame:
    to_picture = canvas.from_first @ place.to_first
    light = place.light.seen_from(reference)
    return PlacedFrame(
        place.number, place.time_s, to_picture / to_picture[2, 2], light, place.residual_grey
    )
