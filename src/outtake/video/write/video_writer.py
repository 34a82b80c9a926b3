"""An output written in one piece: it appears when it is complete, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outtake.video.read.probe import VideoInfo
from outtake.video.write.audio_encoder import AudioChoice
from outtake.video.write.encoding_plan import EncodingRequest
from outtake.video.write.open_output import open_output
from outtake.video.write.segment_encoder import SegmentWriter


@contextmanager
def open_writer(
    path: str | Path,
    info: VideoInfo,
    encoding: EncodingRequest | None = None,
    *,
    audio: AudioChoice = "auto",
    overwrite: bool = False,
) -> Iterator[SegmentWriter]:
    """Write all frames of a video, or of a folder of PNG images if the path has no suffix.

    It is an output of one segment that is never resumed: an error deletes what was written, and
    the target stays as it was. The arguments are those of
    :func:`outtake.video.write.open_output.open_output`.

    Yields:
        The sink that takes the frames.

    Raises:
        OutputError: On entering, as :func:`outtake.video.write.open_output.open_output`; later, the
            target cannot be written.
        VideoError: No frame was given.
    """
    output = open_output(path, info, encoding, audio=audio, overwrite=overwrite)
    try:
        with output.open_segment(0) as writer:
            yield writer
        output.finish(1)
    finally:
        output.discard()
