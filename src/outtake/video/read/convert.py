"""From a decoded frame to the one that travels."""

from __future__ import annotations

import av

from outtake.core.types import TimedFrame
from outtake.video.colour import to_deep, to_rgb
from outtake.video.read.probe import VideoInfo


def converted(frame: av.VideoFrame, pts: int, info: VideoInfo, *, deep: bool) -> TimedFrame:
    """Return a frame as RGB, turned as it is to be shown; with 16 bits too if ``deep``."""
    turn, colour = info.orientation, info.colour
    return TimedFrame(
        turn.apply(to_rgb(frame, colour)),
        pts,
        info.time_base,
        turn.apply(to_deep(frame, colour)) if deep else None,
    )
