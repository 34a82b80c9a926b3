"""Writing one segment of an output: whole, or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import av
from av.packet import Packet
from av.video.stream import VideoStream

from outtake.core.errors import OutputError, OuttakeError, VideoError
from outtake.core.types import TimedFrame
from outtake.video.read.probe import VideoInfo
from outtake.video.write.encoding_plan import Encoding
from outtake.video.write.segment_meta import Record, checksum, delete
from outtake.video.write.segment_store import SegmentFolder
from outtake.video.write.video_encoder import PictureTrack, explain

# A segment file holds frame n at n * 40 ms, whatever its time: Matroska counts in milliseconds,
# and the record has the real time. Its packets are read in their order of storing.
STEP_MS = 40
_REORDER_MAX = 256


class Piece(Protocol):
    """Some frames on the disk.

    Attributes:
        reorder: by how many frames a packet came after its turn.
    """

    reorder: int

    def add(self, frame: TimedFrame, pts: int) -> None:
        """Write a frame; ``pts`` is relative to the first one's."""
        ...

    def close(self) -> None:
        """Write what was held back."""
        ...


class VideoPiece:
    """Frames encoded into a Matroska file without anything beside the picture."""

    def __init__(
        self, path: Path, encoding: Encoding, info: VideoInfo, width: int, height: int
    ) -> None:
        self.reorder = 0
        self._ranks: dict[int, int] = {}
        self._packets = 0
        self._file = av.open(
            os.fspath(path),
            "w",
            format="matroska",
            container_options={"avoid_negative_ts": "disabled"},
        )
        try:
            self._track = PictureTrack(self._file, encoding, info, width, height)
            self._file.start_encoding()
        except BaseException:
            self._file.close()
            raise

    def add(self, frame: TimedFrame, pts: int) -> None:
        """Encode a frame."""
        self._ranks[pts] = len(self._ranks)
        self._store(self._track.encode(frame, pts))

    def close(self) -> None:
        """Encode to the end and close the file, even if the end can not be written."""
        try:
            self._store(self._track.flush())
            if self._packets != len(self._ranks):
                raise OutputError(
                    f"the encoder gave {self._packets} packets for {len(self._ranks)} frames"
                )
        finally:
            self._file.close()

    def _store(self, packets: list[Packet[VideoStream]]) -> None:
        for packet in packets:
            assert packet.pts is not None
            rank = self._ranks[packet.pts]
            self.reorder = max(self.reorder, self._packets - rank)
            packet.time_base = Fraction(1, 1000)
            packet.pts = rank * STEP_MS
            packet.dts = (self._packets - _REORDER_MAX) * STEP_MS
            packet.duration = STEP_MS
            self._file.mux(packet)
            self._packets += 1


class SegmentWriter:
    """Takes the frames of a segment.

    Leaving it without an error puts the segment in its place; leaving it with one keeps what can
    be kept as the segment's tail, for a playable part of the output.

    Args:
        folder: where the output grows.
        index: of the segment.
        target: the output, for messages.
        time_base: of the source.
        channels: of the frames.
        make: opens a piece for frames of a width and height at a path.
        done: called with the record of a segment that came out whole.

    Raises:
        OutputError: the segment can not be written.
        VideoError: not one frame was given.
    """

    def __init__(
        self,
        folder: SegmentFolder,
        index: int,
        target: Path,
        *,
        time_base: Fraction,
        channels: int,
        make: Callable[[Path, int, int], Piece],
        done: Callable[[Record], None],
    ) -> None:
        self.frames = 0
        self._folder = folder
        self._index = index
        self._target = target
        self._time_base = time_base
        self._channels = channels
        self._make = make
        self._done = done
        self._pts: list[int] = []
        self._hold: int | None = None
        self._size = (0, 0)
        self._piece: Piece | None = None
        unique = f"{index:05d}.tmp-{uuid.uuid4().hex[:8]}{folder.suffix}"
        self._path = folder.path / unique

    def __enter__(self) -> Self:
        self._folder.forget_tail(self._index)
        return self

    def write(self, frame: TimedFrame) -> None:
        """Write a frame; all of an output have one size.

        Raises:
            ValueError: another size, other channels, or a time that is not after the last one.
        """
        height, width, channels = frame.image.shape
        if channels != self._channels or (self._pts and (width, height) != self._size):
            raise ValueError(
                f"a frame is {width}x{height} with {channels} channels, expected "
                f"{self._size[0]}x{self._size[1]} with {self._channels}"
            )
        scale = frame.time_base / self._time_base
        pts = round(frame.pts * scale)
        if self._pts and pts <= self._pts[-1]:
            raise ValueError(f"frame {self.frames} is at {pts}, after one at {self._pts[-1]}")
        with self._errors():
            if self._piece is None:
                self._size = (width, height)
                self._piece = self._make(self._path, width, height)
            self._piece.add(frame, pts - (self._pts[0] if self._pts else pts))
        self._pts.append(pts)
        self._hold = (
            max(round(frame.last_frame_duration * scale), 1) if frame.last_frame_duration else None
        )
        self.frames += 1

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (av.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OutputError(
                f"can not write {self._target}: {reason}; whole segments are kept in "
                f"{self._folder.path}"
            ) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
            elif self._piece is not None:
                with suppress(OSError, ValueError, OuttakeError):  # a full disk has no tail
                    self._keep(whole=False)
        finally:
            delete(self._path)

    def _finish(self) -> None:
        if self._piece is None:
            raise VideoError(f"no frame was given for {self._target}; nothing was written")
        with self._errors():
            record = self._keep(whole=True)
        self._done(record)

    def _keep(self, *, whole: bool) -> Record:
        assert self._piece is not None
        self._piece.close()
        flush_to_disk(self._path)
        size, crc = checksum(self._path)
        width, height = self._size
        record = Record(
            self._index, whole, width, height, self._pts, self._piece.reorder, size, crc, self._hold
        )
        self._folder.add(self._path, record)
        return record


def open_video_piece(
    path: Path, width: int, height: int, *, encoding: Encoding, info: VideoInfo
) -> VideoPiece:
    """Open a video piece.

    Raises:
        OutputError: the encoder can not be opened for a reason that is known.
    """
    try:
        return VideoPiece(path, encoding, info, width, height)
    except (av.FFmpegError, OSError, ValueError) as error:
        known = explain(error, encoding)
        if known:
            raise known from error
        raise


def flush_to_disk(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk."""
    if path.is_dir() and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
