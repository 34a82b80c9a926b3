"""Writing one segment of an output: whole, or not at all."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

import av

from outtake.core.errors import OutputError, OuttakeError, VideoError
from outtake.core.files import fsync_path
from outtake.core.signals import defer_signals
from outtake.core.types import TimedFrame
from outtake.video.read.probe import VideoInfo
from outtake.video.write.copy_plan import CopyPlan
from outtake.video.write.encoding_plan import Encoding
from outtake.video.write.image_folder import ImageSegmentEncoder
from outtake.video.write.segment_store import (
    SegmentRecord,
    SegmentStore,
    delete_path,
    size_and_crc32,
)
from outtake.video.write.two_pass_encoder import TwoPassEncoder
from outtake.video.write.unchanged_frames import UnchangedFrameFilter
from outtake.video.write.video_segment_encoder import VideoSegmentEncoder

SegmentEncoder: TypeAlias = (
    VideoSegmentEncoder | UnchangedFrameFilter | TwoPassEncoder | ImageSegmentEncoder
)


class SegmentWriter:
    """Takes the frames of one segment (a :class:`outtake.core.frames.FrameSink`).

    Leaving it without an error puts the segment in its place. Leaving it with an error keeps what
    can be kept as the segment's tail, for a playable part of the output.

    Args:
        store: The folder in which the output grows.
        index: The number of the segment.
        target: The path of the output, for messages.
        info: The source.
        encoding: The encoding of a video; of images, ``png``, ``exr`` or ``dpx``.
        channels: The number of channels of the frames.
        on_done: Called with the record of a segment that came out whole.
        copy_plan: What may be copied of the source's packets; None for nothing.

    Attributes:
        frames: The number of frames written.

    Raises:
        OutputError: The segment cannot be written.
        VideoError: No frame was given.
    """

    def __init__(
        self,
        store: SegmentStore,
        index: int,
        target: Path,
        info: VideoInfo,
        *,
        encoding: Encoding | str,
        channels: int,
        on_done: Callable[[SegmentRecord], None],
        copy_plan: CopyPlan | None = None,
    ) -> None:
        self.frames = 0
        self._store = store
        self._index = index
        self._target = target
        self._info = info
        self._encoding = encoding
        self._channels = channels
        self._on_done = on_done
        self._copy_plan = copy_plan
        self._pts: list[int] = []
        self._last_frame_duration: int | None = None
        self._size = (0, 0)
        self._encoder: SegmentEncoder | None = None
        unique = f"{index:05d}.tmp-{uuid.uuid4().hex[:8]}{store.suffix}"
        self._path = store.path / unique

    def __enter__(self) -> Self:
        self._store.delete_tail(self._index)
        return self

    def write(self, frame: TimedFrame) -> None:
        """Write a frame; all frames of an output have one size.

        Raises:
            ValueError: Another size, other channels, or a time that is not after the last one.
        """
        height, width, channels = frame.image.shape
        if channels != self._channels or (self._pts and (width, height) != self._size):
            raise ValueError(
                f"a frame is {width}x{height} with {channels} channels, expected "
                f"{self._size[0]}x{self._size[1]} with {self._channels}"
            )
        scale = frame.time_base / self._info.time_base
        pts = round(frame.pts * scale)
        if self._pts and pts <= self._pts[-1]:
            raise ValueError(f"frame {self.frames} is at {pts}, after one at {self._pts[-1]}")
        # Ctrl-C inside of an encoder would lose what it gave, and with that the whole tail.
        with defer_signals(), self._translate_errors():
            if self._encoder is None:
                self._size = (width, height)
                self._encoder = self._open_encoder(width, height, pts)
            self._encoder.encode(frame, pts - (self._pts[0] if self._pts else pts))
            self._pts.append(pts)
        duration = frame.last_frame_duration
        self._last_frame_duration = max(round(duration * scale), 1) if duration else None
        self.frames += 1

    def _open_encoder(self, width: int, height: int, first_pts: int) -> SegmentEncoder:
        if isinstance(self._encoding, str):
            return ImageSegmentEncoder(
                self._path,
                codec=self._encoding,
                bit_depth=self._info.bit_depth,
                keeps_alpha=self._info.has_alpha,
            )

        def open_encoder(encoding: Encoding) -> VideoSegmentEncoder:
            return VideoSegmentEncoder(self._path, encoding, self._info, width, height)

        if self._encoding.passes == 1:
            encoder = open_encoder(self._encoding)
            plan = self._copy_plan
            return UnchangedFrameFilter(encoder, plan, first_pts) if plan else encoder
        return TwoPassEncoder(self._path, self._encoding, self._info, (width, height), open_encoder)

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except (av.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            kept = ""
            if self._store.has_whole_segment():
                kept = f"; whole segments are kept in {self._store.path}"
            raise OutputError(f"cannot write {self._target}: {reason}{kept}") from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
            elif self._encoder is not None:
                with suppress(OSError, ValueError, OuttakeError):  # a full disk has no tail
                    self._store_segment(whole=False)
        finally:
            delete_path(self._path)

    def _finish(self) -> None:
        if self._encoder is None:
            raise VideoError(f"no frame was given for {self._target}; nothing was written")
        with self._translate_errors():
            record = self._store_segment(whole=True)
        self._on_done(record)

    def _store_segment(self, *, whole: bool) -> SegmentRecord:
        assert self._encoder is not None
        self._encoder.close()
        fsync_path(self._path)
        size, crc = size_and_crc32(self._path)
        record = SegmentRecord(
            self._index, whole, *self._size, self._pts, self._encoder.reorder, size, crc,
            self._last_frame_duration,
            self._encoder.unchanged if isinstance(self._encoder, UnchangedFrameFilter) else [],
        )  # fmt: skip
        self._store.add(self._path, record)
        return record
