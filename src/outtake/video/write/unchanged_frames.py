"""Encode the frames of a segment without those that are copied from the source's packets later.

Frames that came out unchanged wait until it is clear whether their whole run did. If so, they are
never encoded. Where they are too many to wait, or their run goes on in another segment, they are
encoded and left out when the segments are joined. Either way the encoder begins anew, with an IDR
picture, at each border of what may be copied.
"""

from __future__ import annotations

import av

from outtake.core.types import TimedFrame
from outtake.video.write.copy_plan import CopyPlan, SourceRun
from outtake.video.write.video_segment_encoder import VideoSegmentEncoder

_MAX_WAITING_BYTES = 256 * 2**20


class UnchangedFrameFilter:
    """Gives an encoder the frames of a segment that cannot be copied.

    Args:
        encoder: The encoder of the segment.
        plan: What may be copied.
        first: The time of the segment's first frame, in units of the source's time base.

    Attributes:
        unchanged: The frames that came out as they were decoded, as ranges ``[first, stop]``.
    """

    def __init__(self, encoder: VideoSegmentEncoder, plan: CopyPlan, first: int) -> None:
        self.unchanged: list[list[int]] = []
        self._encoder = encoder
        self._plan = plan
        self._first = first
        self._frames = 0
        self._run: SourceRun | None = None
        self._times: list[int] = []  # of the frames of the run
        self._may_copy = False  # every frame of the run is unchanged so far
        self._before_may_be_copied = False
        self._has_encoded = False  # something of the run
        self._waiting: list[tuple[av.VideoFrame, int]] = []
        self._waiting_bytes = 0
        self._waits = False

    @property
    def reorder(self) -> int:
        """The largest number of frames by which a packet came after its turn."""
        return self._encoder.reorder

    def encode(self, frame: TimedFrame, pts: int) -> None:
        """Take the next frame; ``pts`` counts from the first one in the source's time base."""
        time = self._first + pts
        run = self._plan.find_run(time)
        if run is not self._run or not self._frames:
            self._begin_run(run, time)
        unchanged = self._encoder.is_unchanged(frame)
        self._note(unchanged=unchanged)
        self._times.append(time)
        self._may_copy &= unchanged
        self._waiting.append((self._encoder.make_frame(frame, pts), pts))
        if not (self._may_copy and self._waits):
            self._encode_waiting()
            # The file of a segment begins with a frame, even if all of it is copied.
            self._waits = self._frames == 1 and self._may_copy and self._starts_run(time)
        elif run is not None and run.has_times(self._times):
            self._encoder.skip(len(self._waiting))
            self._forget_waiting()
        else:
            self._waiting_bytes += sum(each.buffer_size for each in self._waiting[-1][0].planes)
            if self._waiting_bytes > _MAX_WAITING_BYTES:
                self._encode_waiting()
                self._waits = False

    def _begin_run(self, run: SourceRun | None, time: int) -> None:
        self._encode_waiting()
        self._before_may_be_copied = self._may_copy
        self._run, self._times, self._has_encoded = run, [], False
        self._may_copy = run is not None
        self._waits = bool(self._frames) and self._starts_run(time)

    def _starts_run(self, time: int) -> bool:
        return self._run is not None and time == self._run.first

    def _note(self, *, unchanged: bool) -> None:
        self._frames += 1
        if not unchanged:
            return
        if self.unchanged and self.unchanged[-1][1] == self._frames - 1:
            self.unchanged[-1][1] = self._frames
        else:
            self.unchanged.append([self._frames - 1, self._frames])

    def _encode_waiting(self) -> None:
        for made, pts in self._waiting:
            anew = not self._has_encoded and (self._before_may_be_copied or self._may_copy)
            self._encoder.encode_made(made, pts, anew=anew)
            self._has_encoded = True
        self._forget_waiting()

    def _forget_waiting(self) -> None:
        self._waiting.clear()
        self._waiting_bytes = 0

    def close(self) -> None:
        """Encode to the end and close the file, even if the end cannot be written."""
        try:
            self._encode_waiting()
        finally:
            self._encoder.close()
