"""Make one picture of the background of each shot of a clip."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from outtake.core.errors import ConfigError
from outtake.core.frames import MaskedFrame
from outtake.core.types import Mask
from outtake.core.validate import check_number
from outtake.motion.homography import Homography, TrackedView, invert_homography
from outtake.motion.tracking import CameraTracker
from outtake.removal.stitching.compose import Canvas, compose, lay_out
from outtake.removal.stitching.kept_frames import (
    KeptFrame,
    KeptFrames,
    Picture,
    count_bytes,
    find_stretched,
    measure_overlap,
)
from outtake.removal.stitching.registration import Light, RegistrationImage, register

# A frame is compared with the earliest one that shows so much of it: then errors add up least.
_WELL_OVERLAPPING = 0.75
_MIN_FRAMES_HELD = 8

log = logging.getLogger(__name__)


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


class BackgroundStitcher:
    """Stitches the background of each shot of a clip into one picture.

    Each frame is registered by a homography to an earlier one of its shot, so a camera that pans,
    tilts, zooms or stands still is exact, and one that travels past things at different depths is
    not. A pixel of the picture is the median of the frames that show it, in the light of the frame
    in the middle, or of the nearest to it in whose plane no frame is stretched.

    A shot gets several pictures where one would not do: where the camera turns or zooms so far that
    a plane would stretch a frame, and where the frames that are needed do not fit into the memory.

    Args:
        samples: How many frames at most are looked at for a pixel.
        max_side_px: No side of a picture is longer; a larger one is reduced.
        max_memory_mb: The memory for the frames that are held.

    Raises:
        ConfigError: A value is out of its range.
    """

    def __init__(
        self, samples: int = 15, max_side_px: int = 16384, max_memory_mb: int = 1024
    ) -> None:
        check_number("samples", samples, 1, 99, whole=True)
        check_number("max_side_px", max_side_px, 16, 32766, whole=True)
        check_number("max_memory_mb", max_memory_mb, 1, 1 << 20, whole=True)
        self._samples, self._max_side_px = samples, max_side_px
        self._max_bytes = max_memory_mb << 20
        self._tracker = CameraTracker()
        # The newest one alone: the points of all frames of a long shot would fill the memory.
        self._view: TrackedView | None = None
        self._shot: int | None = None
        self._begin()

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[StitchedBackground]:
        """Yield the picture of each shot, or of each part of one, when it has ended.

        Raises:
            ConfigError: The memory does not hold enough frames of this size.
        """
        for number, item in enumerate(clip):
            finished = self.add(number, item)
            if finished is not None:
                yield finished
        last = self.finish()
        if last is not None:
            yield last

    def add(self, number: int, item: MaskedFrame) -> StitchedBackground | None:
        """Take the next frame; return the picture that ended before it, if one did.

        Raises:
            ConfigError: The memory does not hold enough frames of this size.
        """
        frame = item.frame
        image = frame.image if frame.image16 is None else frame.image16
        mask = _hide_transparent(item)
        time_s = frame.pts * frame.time_base
        if self._places and mask.all():
            # Nothing says where it is; the next one is compared with those before it.
            self._places.append(replace(self._places[-1], number=number, time_s=time_s,
                                        residual_grey=None))  # fmt: skip
            return None
        view = self._tracker.update(frame.image, mask)
        small = RegistrationImage.of(frame.image, mask)
        if self._shot is None:
            self._check_memory(count_bytes(image, mask, small))
        finished = None
        if self._shot is None:
            self._shot = view.shot
        elif view.shot != self._shot:
            finished, self._shot = self.finish(), view.shot
        elif not self._kept.has_room():
            log.info("frame %d: the memory is full, so another picture begins", number)
            finished = self.finish()
        place, overlap = self._place(number, time_s, view, small, mask.shape)
        if find_stretched(place.to_first[None], mask.shape).any():
            log.info("frame %d: the camera has turned or zoomed far, so another picture begins",
                     number)  # fmt: skip
            finished = self.finish()
            place, overlap = self._place(number, time_s, view, small, mask.shape)
        self._places.append(place)
        self._view = view
        kept = KeptFrame(number, image, mask, small, place.to_first, place.light)
        if place.residual_grey is not None:
            self._is_compared = True
            self._kept.add(kept, is_needed=overlap < _WELL_OVERLAPPING)
        elif not self._is_compared:
            # Black before a fade, or all removed: this may be the first to be compared with.
            self._kept.clear()
            self._kept.add(kept, is_needed=True)
        # Any other that was not compared may lie beside its place.
        return finished

    def finish(self) -> StitchedBackground | None:
        """Return the picture of the frames since the last one; None if there are none."""
        places, shot = self._places, self._shot
        if not places or shot is None:
            return None
        frames = self._kept.list_all()
        canvas = lay_out(frames, self._max_side_px)
        picture = compose(frames, canvas, self._samples)
        reference = next(one for one in frames if one.number == canvas.reference)
        self._begin()
        return StitchedBackground(
            picture,
            shot + 1,
            canvas.reference,
            canvas.scale,
            tuple(_place_in_picture(each, canvas, reference.light) for each in places),
        )

    def _begin(self) -> None:
        self._kept = KeptFrames(self._max_bytes)
        self._places: list[_Place] = []
        self._is_compared = False

    def _check_memory(self, frame_bytes: int) -> None:
        needed = _MIN_FRAMES_HELD * frame_bytes
        if needed > self._max_bytes:
            raise ConfigError(
                f"max_memory_mb={self._max_bytes >> 20}: holds fewer than {_MIN_FRAMES_HELD} "
                f"frames of this size; set at least {-(-needed >> 20)}"
            )

    def _place(
        self,
        number: int,
        time_s: Fraction,
        view: TrackedView,
        small: RegistrationImage,
        shape: tuple[int, ...],
    ) -> tuple[_Place, float]:
        """Return where a frame lies, and how much of it the frame that says so shows."""
        if not self._places or self._view is None:
            return _Place(number, time_s, np.eye(3), Light.identity(), None), 0.0
        before = self._places[-1]
        guess = before.to_first @ view.homography_to(self._view)
        candidates = [
            (measure_overlap(invert_homography(one.to_first) @ guess, shape), one)
            for one in self._kept.list_needed()
        ]
        good = [pair for pair in candidates if pair[0] >= _WELL_OVERLAPPING]
        overlap, anchor = good[0] if good else max(candidates, key=lambda pair: pair[0])
        found = register(small, anchor.small, invert_homography(anchor.to_first) @ guess)
        if found is None:
            return _Place(number, time_s, guess, before.light, None), overlap
        to_first = anchor.to_first @ found.homography
        to_first /= to_first[2, 2]
        light = found.light.then(anchor.light)
        return _Place(number, time_s, to_first, light, found.residual_grey), overlap


def _hide_transparent(item: MaskedFrame) -> Mask:
    """Return the mask with what the frame itself shows no colour of, bool (H, W)."""
    stored = item.frame.stored
    if stored is None or stored.alpha is None:
        return item.mask
    return np.asarray(item.mask | (stored.alpha == 0))


def _place_in_picture(place: _Place, canvas: Canvas, reference: Light) -> PlacedFrame:
    to_picture = canvas.from_first @ place.to_first
    light = place.light.seen_from(reference)
    return PlacedFrame(
        place.number, place.time_s, to_picture / to_picture[2, 2], light, place.residual_grey
    )
