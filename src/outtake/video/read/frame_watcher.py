"""Notice what frames have that a clip as a whole cannot: another size, alpha later, and so on."""

from __future__ import annotations

import logging
from fractions import Fraction
from functools import lru_cache

import av
from av.sidedata.sidedata import Type as SideDataType

from outtake.core.errors import VideoError
from outtake.video.interlacing import explain_fields
from outtake.video.orientation import find_turn_degrees
from outtake.video.read.probe import VideoInfo
from outtake.video.stored_picture import is_transparent

log = logging.getLogger(__name__)

_QUARTER, _ROUNDING = 90, 0.5  # degrees


class FrameWatcher:
    """Looks at the decoded frames of a clip: another size is refused, the rest has a line, once.

    Args:
        info: The whole clip.
        expects_fields: Whether interlaced frames are as they should be.
        refuses_alpha: Whether a frame that is transparent anywhere is refused.
    """

    def __init__(
        self, info: VideoInfo, *, expects_fields: bool = True, refuses_alpha: bool = False
    ) -> None:
        self._info = info
        self._looks_for_fields = not expects_fields
        self._refuses_alpha = refuses_alpha
        self._looks_for_alpha = refuses_alpha or not info.has_alpha
        self._looks_for_turn = True
        self._aspect: Fraction | None = None
        self._warned_of_aspect = False

    def check_frame(self, frame: av.VideoFrame, time_s: float) -> None:
        """Look at a frame, whose time is counted from the first.

        Raises:
            VideoError: It has another size, or is transparent where that is refused.
        """
        self._check_size(frame, time_s)
        if self._looks_for_turn:
            self._looks_for_turn = False
            self._check_turn(frame)
        if self._looks_for_alpha and is_transparent(frame):
            self._looks_for_alpha = self._refuses_alpha
            self._tell_of_alpha(time_s)
        if self._looks_for_fields and frame.interlaced_frame:
            self._looks_for_fields = False
            log.warning("%s", explain_fields(self._info.path, self._info.field_order, time_s))

    def check_aspect(self, aspect: Fraction, time_s: float) -> None:
        """Look at the shape of pixels, width over height, that the coded frames have by now."""
        if self._aspect is None:
            self._aspect = aspect
        elif aspect != self._aspect and not self._warned_of_aspect:
            self._warned_of_aspect = True
            _warn_once(
                f"{self._info.path} changes the shape of its pixels from {_spell(self._aspect)} to "
                f"{_spell(aspect)} at about {time_s:.3f} s; all of it is shown with one, so split "
                "it there first"
            )

    def _check_size(self, frame: av.VideoFrame, time_s: float) -> None:
        stored = (frame.width, frame.height)
        shown = stored[::-1] if self._info.orientation.transpose else stored
        if shown != (self._info.width, self._info.height):
            raise VideoError(
                f"{self._info.path} changes its size from {self._info.width}x{self._info.height} "
                f"to {shown[0]}x{shown[1]} at {time_s:.3f} s"
                + ("" if self._info.live else "; split it there first")
            )

    def _check_turn(self, frame: av.VideoFrame) -> None:
        matrix = frame.side_data.get(SideDataType.DISPLAYMATRIX)
        degrees = 0.0 if matrix is None else find_turn_degrees(bytes(matrix))
        if abs(degrees - _QUARTER * round(degrees / _QUARTER)) > _ROUNDING:
            made = self._info.orientation.clockwise_degrees
            _warn_once(
                f"{self._info.path} asks to be shown turned by {degrees % 360:.0f} degrees; only "
                f"quarter turns are made, here by {made} degrees"
            )

    def _tell_of_alpha(self, time_s: float) -> None:
        path = self._info.path
        if self._refuses_alpha:
            raise VideoError(
                f"{path} is transparent somewhere, at first at {time_s:.3f} s; save it without "
                "transparency (flattened)"
            )
        _warn_once(
            f"{path} is transparent at {time_s:.3f} s, and frames all over it are not: its alpha "
            "is not kept, only the colours beneath it; split it there first"
        )


@lru_cache(maxsize=256)
def _warn_once(line: str) -> None:
    """Log a line, once in this process: a clip is read several times."""
    log.warning("%s", line)


def _spell(aspect: Fraction) -> str:
    return f"{aspect.numerator}:{aspect.denominator}"
