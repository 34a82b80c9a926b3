"""Encode a segment twice: the first time to see where bits are needed, the second to spend them."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
from av.video.frame import PictureType
from av.video.stream import VideoStream

from outtake.core.types import TimedFrame
from outtake.video.read.probe import VideoInfo
from outtake.video.write.encoding_plan import Encoding
from outtake.video.write.segment_store import delete_path
from outtake.video.write.video_encoder import VideoTrackEncoder

_KEPT_RATE = 25  # of the file in which frames wait for the second pass; it decides nothing


class PassEncoder(Protocol):
    """What writes the packets of the second pass."""

    reorder: int

    def encode_made(self, made: av.VideoFrame, pts: int) -> None:
        """Encode a frame of the encoder's own pixel format."""
        ...

    def close(self) -> None:
        """Encode to the end and close the file."""
        ...


class TwoPassEncoder:
    """Encodes the frames of a segment to learn about them, and again when all are known.

    Between the passes the frames lie on the disk, compressed without loss.

    Args:
        path: The file of the segment; the frames wait beside it.
        encoding: The encoding, for two passes.
        info: The source.
        size: The width and the height of the frames.
        open_encoder: Opens what writes the segment, for the second pass.

    Attributes:
        reorder: The largest number of frames by which a packet came after its turn.
    """

    def __init__(
        self,
        path: Path,
        encoding: Encoding,
        info: VideoInfo,
        size: tuple[int, int],
        open_encoder: Callable[[Encoding], PassEncoder],
    ) -> None:
        self.reorder = 0
        self._encoding = encoding
        self._open_encoder = open_encoder
        self._pts: list[int] = []
        # Its path goes into an option that is cut at colons.
        self._statistics = Path(tempfile.mkdtemp(prefix="outtake-"))
        self._frames = path.with_name(f"{path.stem}-frames.mkv")
        try:
            self._null = av.open(os.devnull, "w", format="null")
            first = encoding_of_pass(encoding, 1, self._statistics / "stats")
            self._track: VideoTrackEncoder | None = VideoTrackEncoder(
                self._null, first, info, *size
            )
            self._null.start_encoding()
            self._kept = av.open(f"file:{self._frames}", "w", format="matroska")
            stream = self._kept.add_stream("ffv1", rate=_KEPT_RATE)
            assert isinstance(stream, VideoStream)
            stream.width, stream.height = size
            stream.pix_fmt = self._track.pix_fmt
            self._kept_stream = stream
        except BaseException:
            self._delete()
            raise

    def encode(self, frame: TimedFrame, pts: int) -> None:
        """Encode a frame for the first time, and keep it."""
        assert self._track is not None
        made = self._track.make_frame(frame, pts)
        self._track.encode_made(made)
        made.pts, made.time_base = len(self._pts), Fraction(1, _KEPT_RATE)
        self._kept.mux(self._kept_stream.encode(made))
        self._pts.append(pts)

    def close(self) -> None:
        """Encode all frames again and close the file of the segment."""
        try:
            self._end_first_pass()
            second = self._open_encoder(
                encoding_of_pass(self._encoding, 2, self._statistics / "stats")
            )
            try:
                with av.open(f"file:{self._frames}") as kept:
                    for frame, pts in zip(kept.decode(video=0), self._pts, strict=True):
                        frame.pict_type = PictureType.NONE  # or each would be a key frame
                        second.encode_made(frame, pts)
            finally:
                second.close()
            self.reorder = second.reorder
        finally:
            self._delete()

    def _end_first_pass(self) -> None:
        assert self._track is not None
        self._track.flush()
        self._kept.mux(self._kept_stream.encode(None))
        self._kept.close()
        self._null.close()
        # The encoder writes down what it learnt when it is freed, and not before.
        self._track = None
        gc.collect()

    def _delete(self) -> None:
        shutil.rmtree(self._statistics, ignore_errors=True)
        delete_path(self._frames)


def encoding_of_pass(encoding: Encoding, number: int, statistics: Path) -> Encoding:
    """Return an encoding for the first or the second pass.

    Args:
        encoding: The encoding.
        number: 1 or 2.
        statistics: The file that the first pass writes and the second reads.
    """
    options = dict(encoding.options)
    if encoding.codec.encoder == "libx265":
        inner = f"pass={number}:stats={statistics}"
        options["x265-params"] = ":".join(filter(None, (options.get("x265-params"), inner)))
    else:
        # Or the second pass fits the track's header, which all segments share, to each of them.
        given = options.get("x264-params")
        options["x264-params"] = ":".join(filter(None, (given, "stitchable=1")))
        options["flags"] = f"{options.get('flags', '')}+pass{number}"
        options["stats"] = str(statistics)
    return replace(encoding, options=options)
