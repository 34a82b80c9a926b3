"""Pictures that a user painted: frames of the clip as they should look."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np

from outtake.core.errors import ConfigError, UnreadableImageError
from outtake.core.types import Frame
from outtake.data.image_files import convert_channels, read_image
from outtake.data.resize import resize
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
from outtake.removal.transparency import SAVE_OPAQUE, is_transparent
from outtake.video.read.frame_selection import parse_time
from outtake.video.read.probe import VideoInfo

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
    One line says when a picture is used for the first time, another if it does not fit the frame
    of its time, and another if it was not used though that frame was there.

    Args:
        given: The files and times, as in ``clean.png@00:03``; one, several, or None.

    Raises:
        ConfigError: Something is not of that form, a file cannot be read or is transparent
            somewhere, or two are of the same time.
    """

    def __init__(self, given: str | Sequence[str] | None) -> None:
        if given is not None and not isinstance(given, str | list | tuple):
            raise ConfigError(
                f"{KEY}={given}: write PATH@TIME, as in clean.png@00:03, or a list of these"
            )
        texts = [given] if isinstance(given, str) else list(given or ())
        self._pictures = [_read_picture(number, str(text)) for number, text in enumerate(texts)]
        _refuse_same_times(self._pictures)
        self._resized: dict[tuple[int, tuple[int, ...]], PaintedPicture] = {}
        self._said: set[tuple[int, bool]] = set()
        self._lock = threading.Lock()

    def paths(self) -> tuple[Path, ...]:
        """Return the files."""
        return tuple(picture.path for picture in self._pictures)

    def check_clip(self, info: VideoInfo) -> tuple[str, ...]:
        """Check that pictures are as large as the frames of a clip.

        Returns:
            One line for each picture whose time lies outside of what is read of the clip.

        Raises:
            ConfigError: One has another size, or the clip is interlaced.
        """
        if self._pictures and info.field_order is not None:
            raise ConfigError(
                f"{KEY}: {info.path} is interlaced, and is filled field by field; whole frames of "
                "it are filled with read.deinterlace=bwdif"
            )
        for picture in self._pictures:
            rows, columns = picture.image.shape[:2]
            if (rows, columns) != (info.height, info.width):
                raise ConfigError(
                    f"{KEY}: {picture.path} is {columns}x{rows}, and the frames of {info.path} are "
                    f"{info.width}x{info.height}; paint a whole frame of the clip, at its size"
                )
        begin_s, end_s = info.span_s
        return tuple(
            f"{KEY}[{number}]: {picture.path} is of {float(picture.time_s):g} s, and what is read "
            f"of {info.path} is from {float(begin_s):g} s to about {float(end_s):g} s: it is only "
            "used where its place is recognised"
            for number, picture in enumerate(self._pictures)
            if end_s is not None and not begin_s <= picture.time_s < end_s
        )

    def references_for(self, window: ReferenceWindow) -> dict[int, Reference]:
        """Return those whose place is found, by their numbers, as references of a window's frame.

        A picture of another size than the frames, as those of a preview are, is resized.
        """
        found, elsewhere = {}, []
        for number, picture in enumerate(self._resize_to(window.centre.mask.shape)):
            frame = find_frame(window, picture.time_s)
            painted = _as_frame(frame or window.centre, picture, -1 - number)
            if frame is None:
                elsewhere.append(painted)
            else:
                homography = reference_between(window.centre, frame).homography
                painted = replace(painted, view=frame.view)
                found[number] = Reference(window.centre, painted, homography)
        matched = {-1 - one.frame.number: one for one in match_places(window, elsewhere)}
        return found | matched

    def say_what_is_used(
        self, window: ReferenceWindow, found: Mapping[int, Reference], used: Sequence[bool]
    ) -> None:
        """Say which references were used, and which do not fit the frame of their time.

        Args:
            window: The frame that they were found for.
            found: What :meth:`references_for` returned.
            used: Whether each of these fits what lies around a hole of the frame.
        """
        for number, fits in zip(found, used, strict=True):
            picture, centre = self._pictures[number], window.centre
            if not fits and find_frame(window, picture.time_s) is not centre:
                continue
            with self._lock:  # several frames are searched at once
                is_said = (number, fits) in self._said
                self._said.add((number, fits))
            if is_said:
                continue
            if fits:
                log.info(
                    "%s, of %.3f s, is trusted for what is hidden", picture.path, picture.time_s
                )
            else:
                log.warning(
                    "%s does not look like frame %d (%.3f s) around what is removed from it, and "
                    "is not used there: is its time right?",
                    picture.path, centre.number, _time_of(centre),
                )  # fmt: skip

    def find_painted(self, window: ReferenceWindow) -> set[int]:
        """Return the numbers of those that are of the frame of a window, if that is an output."""
        if not window.centre.source.is_output:
            return set()
        return {
            number
            for number, picture in enumerate(self._pictures)
            if find_frame(window, picture.time_s) is window.centre
        }

    def say_what_is_unused(self, numbers: Iterable[int]) -> None:
        """Say which of some pictures, whose frames were all filled, nothing was said about."""
        for number in sorted(numbers):
            if not self._said & {(number, True), (number, False)}:
                picture = self._pictures[number]
                log.warning(
                    "%s, of %.3f s, is not used: nothing is removed from the frame of its time, "
                    "and around what is removed from others its place is not recognised",
                    picture.path, picture.time_s,
                )  # fmt: skip

    def _resize_to(self, shape: tuple[int, ...]) -> Iterator[PaintedPicture]:
        for number, picture in enumerate(self._pictures):
            if picture.image.shape[:2] == shape:
                yield picture
                continue
            if (number, shape) not in self._resized:
                image = resize(picture.image, (shape[0], shape[1]))
                self._resized[number, shape] = _with_features(picture.path, picture.time_s, image)
            yield self._resized[number, shape]


def _read_picture(number: int, text: str) -> PaintedPicture:
    name, at, time = text.rpartition("@")
    key = f"{KEY}[{number}]"
    if not at or not name:
        raise ConfigError(f"{key}={text}: write PATH@TIME, as in clean.png@00:03")
    time_s = parse_time(key, time)
    assert time_s is not None
    path = Path(name).expanduser()
    try:
        image = read_image(path)
        # What has a palette, or one colour for transparent, is read without.
        has_alpha = image.shape[2] in (2, 4) and bool((image[..., -1] < 255).any())
        if has_alpha or is_transparent(np.fromfile(path, np.uint8)):
            raise ConfigError(f"{key}: {path} {SAVE_OPAQUE}")
        image = np.ascontiguousarray(convert_channels(image, 3, path))
    except UnreadableImageError as error:
        raise ConfigError(f"{key}: {error}") from error
    return _with_features(path, time_s, image)


def _with_features(path: Path, time_s: Fraction, image: Frame) -> PaintedPicture:
    image.flags.writeable = False
    features = FrameFeatures(image, np.zeros(image.shape[:2], np.bool_))
    return PaintedPicture(path, time_s, image, features)


def _refuse_same_times(pictures: Sequence[PaintedPicture]) -> None:
    for one, other in combinations(pictures, 2):
        if abs(one.time_s - other.time_s) <= _SAME_TIME_S:
            raise ConfigError(
                f"{KEY}: {one.path} and {other.path} are of the same time; paint all of a frame "
                "in one picture"
            )


def find_frame(window: ReferenceWindow, time_s: Fraction) -> BufferedFrame | None:
    """Return the frame of a window that is shown at a time; None if it is not there."""
    frames = {one.number: one for one in (window.centre, *window.neighbours.values())}
    nearest = min(frames.values(), key=lambda one: abs(_time_of(one) - time_s))
    if abs(_time_of(nearest) - time_s) <= _SAME_TIME_S:
        return nearest
    for frame in frames.values():
        if _time_of(frame) <= time_s < _find_end(frame, frames):
            return frame
    return None


def _find_end(frame: BufferedFrame, frames: Mapping[int, BufferedFrame]) -> Fraction:
    """Return until when a frame is shown, by the frames around it, by their numbers.

    The last one before a gap or a cut lasts as long as its source says, or else as the one before.
    """
    following, before = (frames.get(frame.number + step) for step in (1, -1))
    duration = frame.source.frame.last_frame_duration
    if following is not None:
        return _time_of(following)
    if duration is not None:
        return _time_of(frame) + duration * frame.source.frame.time_base
    return _time_of(frame) if before is None else 2 * _time_of(frame) - _time_of(before)


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
