"""The file of one segment, while a segment is being encoded."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
from av.packet import Packet
from av.video.frame import PictureType
from av.video.stream import VideoStream

from outtake.core.errors import OutputError
from outtake.core.types import TimedFrame
from outtake.video.read.probe import VideoInfo
from outtake.video.write.encoding_plan import Encoding
from outtake.video.write.video_encoder import VideoTrackEncoder, explain_encoder_error

# Frame n of a segment file is stored at n * 40 ms, because Matroska counts in milliseconds; the
# record of the segment has the real times. Packets are read back in the order of storing.
FRAME_STEP_MS = 40
_MAX_REORDER = 256


class VideoSegmentEncoder:
    """Encodes frames into a Matroska file that holds nothing but the picture.

    Attributes:
        reorder: The largest number of frames by which a packet came after its turn.

    Raises:
        OutputError: The encoder cannot be opened, for a reason that is known.
    """

    def __init__(
        self, path: Path, encoding: Encoding, info: VideoInfo, width: int, height: int
    ) -> None:
        self.reorder = 0
        self._places: dict[int, tuple[int, int]] = {}  # rank, and frames skipped before
        self._skipped = 0
        self._packets = 0
        self._file = av.open(
            f"file:{path}",  # or a colon in a name would be taken for a protocol
            "w",
            format="matroska",
            container_options={"avoid_negative_ts": "disabled"},
        )
        try:
            self._track = VideoTrackEncoder(self._file, encoding, info, width, height)
            self._file.start_encoding()
        except BaseException as error:
            self._file.close()
            if isinstance(error, Exception) and (known := explain_encoder_error(error, encoding)):
                raise known from error
            raise

    def encode(self, frame: TimedFrame, pts: int) -> None:
        """Encode a frame; ``pts`` counts from the first one in the source's time base."""
        self.encode_made(self._track.make_frame(frame, pts), pts)

    def make_frame(self, frame: TimedFrame, pts: int) -> av.VideoFrame:
        """Return a frame as the encoder takes it."""
        return self._track.make_frame(frame, pts)

    def is_unchanged(self, frame: TimedFrame) -> bool:
        """Return whether the encoder gets the very samples that the source stores."""
        return self._track.is_unchanged(frame)

    def encode_made(self, made: av.VideoFrame, pts: int, *, anew: bool = False) -> None:
        """Encode a frame that has the encoder's pixel format already.

        Args:
            made: The frame.
            pts: Its time, counted from the first one in the source's time base.
            anew: Whether it begins a group of pictures that needs nothing before it.
        """
        self._places[pts] = (len(self._places) + self._skipped, self._skipped)
        if anew:
            made.pict_type = PictureType.I
        self._mux(self._track.encode_made(made, pts))

    def skip(self, frames: int) -> None:
        """Leave room for frames that are not encoded; the next one begins anew."""
        self._skipped += frames

    def close(self) -> None:
        """Encode to the end and close the file, even if the end cannot be written."""
        try:
            self._mux(self._track.flush())
            if self._packets != len(self._places):
                raise OutputError(
                    f"the encoder gave {self._packets} packets for {len(self._places)} frames"
                )
        finally:
            self._file.close()

    def _mux(self, packets: list[Packet[VideoStream]]) -> None:
        for packet in packets:
            assert packet.pts is not None
            rank, skipped = self._places[packet.pts]
            turn = self._packets + skipped
            self.reorder = max(self.reorder, turn - rank)
            packet.time_base = Fraction(1, 1000)
            packet.pts = rank * FRAME_STEP_MS
            packet.dts = (turn - _MAX_REORDER) * FRAME_STEP_MS
            packet.duration = FRAME_STEP_MS
            self._file.mux(packet)
            self._packets += 1
