"""Pictures that a user painted: frames of the clip as they should look."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from outtake.core.errors import ConfigError, UnreadableImageError
from outtake.core.types import Frame
from outtake.data.image_files import read_image
from outtake.motion.feature_matching import FrameFeatures
from outtake.motion.homography import TrackedView
from outtake.removal.clean_plate.frame_buffer import (
    BufferedFrame,
    Reference,
    ReferenceWindow,
    match_places,
    reference_between,
)
from outtake.removal.clean_plate.tiles import compute_clearance
from outtake.video.read.frame_selection import parse_time

log = logging.getLogger(__name__)

KEY = "remover.painted"
# Times of a report are rounded to milliseconds.
_SAME_TIME_S = Fraction(1, 1000)
_NOWHERE = TrackedView(-1, np.empty(0, np.int64), np.empty((0, 2), np.float32), np.eye(3))


@dataclass(frozen=True, slots=True)
class PaintedPicture:
    """A frame as it should look.

    Attributes:
        path: The file.
        time_s: The time of the frame that it shows.
        image: The picture, uint8 (H, W, 3), read-only.
        features: By which its place is recognised in frames that are too far away to be tracked.
    """

    path: Path
    time_s: Fraction
    image: Frame
    features: FrameFeatures


class PaintedPictures:
    """Pictures that are trusted more than any frame, where their place is seen.

    A frame within reach of the painted one is aligned to it by tracked points, others by features.
    One line says when the frame of a picture is reached: without it, its time lies elsewhere.

    Args:
        given: The files and times, as in ``clean.png@00:03``.

    Raises:
        ConfigError: Something is not of that form, or a file cannot be read.
    """

    def __init__(self, given: Sequence[str]) -> None:
        self._pictures = [_read_picture(number, text) for number, text in enumerate(given)]
        self._reached: set[int] = set()

    def paths(self) -> tuple[Path, ...]:
        """Return the files."""
        return tuple(picture.path for picture in self._pictures)

    def check_size(self, height: int, width: int) -> None:
        """Check that pictures are as large as the frames.

        Raises:
            ConfigError: One is not.
        """
        for picture in self._pictures:
            rows, columns = picture.image.shape[:2]
            if (rows, columns) != (height, width):
                raise ConfigError(
                    f"{KEY}: {picture.path} is {columns}x{rows}, and what is filled is "
                    f"{width}x{height}; paint a whole frame of the clip, at its size (of an "
                    "interlaced one, with read.deinterlace=bwdif)"
                )

    def references_for(self, window: ReferenceWindow) -> list[Reference]:
        """Return the pictures whose place is found, as references of a window's frame."""
        found, elsewhere = [], []
        for number, picture in enumerate(self._pictures):
            frame = _find_frame(window, picture.time_s)
            if frame is None:
                elsewhere.append(_as_frame(window.centre, picture, -1 - number))
            else:
                self._say_reached(number, frame)
                painted = replace(_as_frame(frame, picture, frame.number), view=frame.view)
                homography = reference_between(window.centre, frame).homography
                found.append(Reference(window.centre, painted, homography))
        return [*found, *match_places(window, elsewhere)]

    def _say_reached(self, number: int, frame: BufferedFrame) -> None:
        if number not in self._reached:
            self._reached.add(number)
            path, time_s = self._pictures[number].path, float(_time_of(frame))
            log.info("%s is trusted for what frame %d hides (%.3f s)", path, frame.number, time_s)


def _read_picture(number: int, text: str) -> PaintedPicture:
    name, at, time = text.rpartition("@")
    key = f"{KEY}[{number}]"
    if not at or not name:
        raise ConfigError(f"{key}={text}: write PATH@TIME, as in clean.png@00:03")
    time_s = parse_time(key, time)
    assert time_s is not None
    path = Path(name).expanduser()
    try:
        image = read_image(path, channels=3)
    except UnreadableImageError as error:
        raise ConfigError(f"{key}: {error}") from error
    image.flags.writeable = False
    features = FrameFeatures(image, np.zeros(image.shape[:2], np.bool_))
    return PaintedPicture(path, time_s, image, features)


def _find_frame(window: ReferenceWindow, time_s: Fraction) -> BufferedFrame | None:
    """Return the frame of a window that is shown at a time; None if it is not there."""
    frames = sorted((window.centre, *window.neighbours.values()), key=lambda one: one.number)
    for frame, following in zip(frames, [*frames[1:], None], strict=True):
        begins = _time_of(frame)
        if abs(begins - time_s) <= _SAME_TIME_S:
            return frame
        is_next = following is not None and following.number == frame.number + 1
        if is_next and following is not None and begins <= time_s < _time_of(following):
            return frame
    return None


def _time_of(frame: BufferedFrame) -> Fraction:
    return frame.source.frame.pts * frame.source.frame.time_base


def _as_frame(like: BufferedFrame, picture: PaintedPicture, number: int) -> BufferedFrame:
    """Return a picture as a frame of which everything is known."""
    mask = np.zeros(picture.image.shape[:2], np.bool_)
    brightness = cv2.cvtColor(picture.image, cv2.COLOR_RGB2GRAY) | 1
    return replace(
        like,
        number=number,
        image=picture.image,
        mask=mask,
        brightness=np.asarray(brightness, np.uint8),
        clearance=compute_clearance(mask),
        view=_NOWHERE,
        homographies_back={},
        features=picture.features,
    )
