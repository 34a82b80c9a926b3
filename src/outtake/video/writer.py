"""Frames into a video file that appears when it is complete."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self

import av
from av.container import OutputContainer
from av.video.stream import VideoStream

from outtake.errors import OutputError, VideoError
from outtake.files import fsync_folder
from outtake.types import TimedFrame
from outtake.video.codecs import Codec, choose_codec, container_format
from outtake.video.colour import FULL_RANGE, LIMITED_RANGE, from_rgb
from outtake.video.probe import VideoInfo
from outtake.video.tracks import CopiedTracks

P = ParamSpec("P")
log = logging.getLogger(__name__)


class VideoWriter:
    """Encodes frames at their own times and copies everything else from the source.

    Enter it to open ``<name>.part`` beside the target, with its header written, so that whatever
    can not work fails before any work. Leaving it without an error finishes the file, flushes it
    to disk and renames it; leaving it with one deletes it, and the target stays as it was.

    Args:
        path: the target; its suffix is the container.
        info: the source: size, time base, colours and the file whose audio is copied.
        codec: ``auto``, ``h264``, ``h265``, ``vp9`` or ``ffv1``.
        crf: constant quality, lower is better; None is the codec's own (visually near lossless).
        preset: speed against size of h264 and h265.
        audio: copy the audio, or leave it out.

    Raises:
        OutputError: the target can not be written, or not as asked.
        VideoError: not one frame was given.
    """

    def __init__(
        self,
        path: str | Path,
        info: VideoInfo,
        *,
        codec: str = "auto",
        crf: int | None = None,
        preset: str = "veryfast",
        audio: bool = True,
    ) -> None:
        self.path = Path(path)
        self.info = info
        self.frames = 0
        self._codec: Codec = choose_codec(self.path, codec)
        self._crf = crf
        self._preset = preset
        self._audio = audio
        self._part = self.path.with_name(self.path.name + ".part")
        self._target: OutputContainer
        self._stream: VideoStream
        self._tracks: CopiedTracks | None = None
        self._colour = info.colour.for_yuv()
        self._step = max(round(1 / info.fps / info.time_base), 1)
        odd = info.width % 2 or info.height % 2
        self._pix_fmt = self._codec.odd_pix_fmt if odd else self._codec.pix_fmt

    def __enter__(self) -> Self:
        self._warn()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            container = container_format(self.path)
            self._target = av.open(
                os.fspath(self._part),
                "w",
                format=container,
                container_options=_muxer_options(container, self.info),
            )
            self._stream = self._add_picture(self._target)
            if self.info.path.is_file():
                self._tracks = CopiedTracks(self.info.path, self._target, audio=self._audio)
            self._target.start_encoding()
        except (OSError, av.FFmpegError, ValueError) as error:
            self._discard()
            raise OutputError(f"can not write {self.path}: {error}") from error
        except BaseException:
            self._discard()
            raise
        return self

    def _warn(self) -> None:
        if self.info.bit_depth > 8:
            log.warning("%s: %d bits become 8", self.info.path.name, self.info.bit_depth)
        if self._pix_fmt != self._codec.pix_fmt:
            log.warning(
                "%s: the odd size %dx%d is kept by storing full colour (%s), which browsers and "
                "some devices do not play",
                self.path.name, self.info.width, self.info.height, self._pix_fmt,
            )  # fmt: skip

    def _add_picture(self, container: OutputContainer) -> VideoStream:
        options = dict(self._codec.options)
        crf = self._codec.crf if self._crf is None else self._crf
        if self._codec.crf is not None:
            options["crf"] = str(crf)
        if self._codec.takes_preset:
            options["preset"] = self._preset
        rate = self.info.fps.limit_denominator(1001)
        stream = container.add_stream(self._codec.encoder, rate=rate, options=options)
        assert isinstance(stream, VideoStream)
        context = stream.codec_context
        context.width, context.height = self.info.width, self.info.height
        context.pix_fmt = self._pix_fmt
        context.time_base = self.info.time_base
        context.sample_aspect_ratio = self.info.sample_aspect_ratio
        context.thread_type = "AUTO"
        context.color_primaries = self._colour.primaries
        context.color_trc = self._colour.transfer
        if not av.VideoFormat(self._pix_fmt).is_rgb:
            context.colorspace = self._colour.matrix
            context.color_range = FULL_RANGE if self._colour.full_range else LIMITED_RANGE
        if self._codec.encoder == "libx265" and "mp4" in container.format.name:
            context.codec_tag = "hvc1"  # Apple's players know no other
        return stream

    def write(self, frame: TimedFrame) -> None:
        """Encode one RGB frame of the source's size."""
        if frame.image.shape != (self.info.height, self.info.width, 3):
            raise ValueError(
                f"a frame is {frame.image.shape}, expected {(self.info.height, self.info.width, 3)}"
            )
        encoded = from_rgb(frame.image, self._pix_fmt, self._colour)
        encoded.pts, encoded.time_base = frame.pts, frame.time_base
        if self._tracks:
            self._guard(self._tracks.copy_until, float(frame.pts * frame.time_base))
        self._guard(self._encode, encoded)
        self.frames += 1

    def _guard(self, step: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            step(*args, **kwargs)
        except (av.FFmpegError, OSError) as error:
            raise OutputError(f"can not write {self.path}: {error}") from error

    def _encode(self, frame: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            packet.duration = self._step  # the last one's is what the file's length ends with
            self._target.mux(packet)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._discard()

    def _finish(self) -> None:
        if not self.frames:
            raise VideoError(f"no frame was given for {self.path}; nothing was written")
        self._guard(self._encode, None)
        if self._tracks:
            self._guard(self._tracks.copy_until, float("inf"))
        self._guard(self._target.close)
        self._guard(self._replace)

    def _replace(self) -> None:
        with self._part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(self._part, self.path)
        fsync_folder(self.path.parent)

    def _discard(self) -> None:
        if self._tracks:
            self._tracks.close()
        if hasattr(self, "_target"):
            with suppress(av.FFmpegError, OSError):  # the reason is on its way already
                self._target.close()
        with suppress(OSError):
            self._part.unlink(missing_ok=True)


def _muxer_options(container: str, info: VideoInfo) -> dict[str, str]:
    if container in ("mp4", "mov"):
        # When a track begins is stored in units of the movie's scale, milliseconds by default.
        scale = max(info.time_base.denominator, 1000)
        return {"movflags": "+faststart", "movie_timescale": str(scale)}
    # Audio may start before 0 (encoder delay); Matroska's muxer would move every track for it.
    return {"avoid_negative_ts": "disabled"}
