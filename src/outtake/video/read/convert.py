"""From a decoded frame to the one that travels."""

from __future__ import annotations

import av

from outtake.core.types import TimedFrame
from outtake.video.colour import to_rgb, to_rgb16
from outtake.video.read.probe import VideoInfo


def to_timed_frame(
    frame: av.VideoFrame, pts: int, info: VideoInfo, *, high_bit_depth: bool
) -> TimedFrame:
    """Return a frame as RGB, turned as it is to be shown, and with 16 bits too if asked for."""
    turn, colour = info.orientation, info.colour
    return TimedFrame(
        turn.apply(to_rgb(frame, colour)),
        pts,
        info.time_base,
        turn.apply(to_rgb16(frame, colour)) if high_bit_depth else None,
    )
