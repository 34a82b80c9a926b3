"""Opening films that can open nothing else, and the time of each frame."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

# A playlist, or a list of files to join, makes FFmpeg open what it names: other files, or the
# network. So a file may only be of a format that holds its pictures itself; sound alone is among
# them for the sake of a clear message.
FILE_FORMATS = (
    "mov,matroska,avi,mpegts,mpeg,flv,gif,apng,asf,ogg,mxf,nut,ivf,h264,hevc,obu,m4v,mpegvideo,"
    "mjpeg,dv,rm,yuv4mpegpipe,mp3,wav,flac,aac"
)

# Containers in which a frame has one time, that of its decoding, and codecs for which FFmpeg can
# not tell from it when a frame is shown. PyAV has it make that up, from the packet that follows.
_DTS_ONLY_CONTAINERS = {"avi", "asf"}
_REORDERING_CODECS = {"h264", "hevc", "vvc"}


def open_video_file(path: Path, **options: str) -> InputContainer:
    """Open a file that holds its pictures itself; what it names is not followed.

    Args:
        path: the file.
        options: more of FFmpeg's.

    Raises:
        av.FFmpegError, OSError, ValueError: it cannot be read.
    """
    container: InputContainer = av.open(
        f"file:{path}",  # or a colon in a name would be taken for a protocol
        "r",
        metadata_errors="ignore",
        options={"protocol_whitelist": "file", "format_whitelist": FILE_FORMATS, **options},
    )
    return container


class PresentationTimes:
    """When each frame is shown.

    That is the frame's own time, but in AVI and ASF with a codec that moves frames about: there
    the packets have the times of decoding, and the frame that is shown as the n-th has the time
    of the n-th packet.

    Args:
        container: what is read,
        stream: and the track of it.

    Attributes:
        by_decoding_order: whether frames have no time of their own.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        name = stream.codec_context.codec.canonical_name if stream.codec_context else ""
        self.by_decoding_order = (
            container.format.name in _DTS_ONLY_CONTAINERS and name in _REORDERING_CODECS
        )
        self._waiting: deque[tuple[int | None, int | None]] = deque()
        self._begun = False

    def add_packet(self, packet: av.Packet[VideoStream]) -> int | None:
        """Note a packet that is going to be decoded; return its time, in units of its own."""
        time: int | None = packet.dts if self.by_decoding_order else packet.pts
        if self.by_decoding_order and packet.size:
            self._waiting.append((packet.pts, time))
        return time

    def time_of_frame(self, frame: av.VideoFrame) -> int | None:
        """Return when the frame that came out next is shown; None where nobody knows."""
        pts: int | None = frame.pts
        if not self.by_decoding_order:
            return pts
        if not self._begun:
            self._begun = True
            # What lies before it could not be decoded: a cut inside a group of pictures.
            while pts is not None and self._waiting and (self._waiting[0][0] or 0) < pts:
                self._waiting.popleft()
        return self._waiting.popleft()[1] if self._waiting else None
