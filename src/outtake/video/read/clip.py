"""Clips: everything that can be read as a sequence of frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

from outtake.core.errors import ConfigError, VideoError
from outtake.core.types import TimedFrame
from outtake.video.interlacing import FieldChoice
from outtake.video.read.animated_image import AnimatedImage, is_animated
from outtake.video.read.frame_selection import FrameSelection
from outtake.video.read.image_sequence import ImageSequence
from outtake.video.read.inputs import VideoInput, expand_inputs
from outtake.video.read.open_media import open_container
from outtake.video.read.probe import VideoInfo, is_live
from outtake.video.read.reader import VideoReader
from outtake.video.read.safety_limits import SafetyLimits
from outtake.video.read.stream_reader import StreamReader


class Clip(Protocol):
    """A source of frames: enter it, iterate, leave it.

    Attributes:
        info: The description of the clip, known before the first frame is read.
    """

    info: VideoInfo

    def __enter__(self) -> Self:
        """Open the clip."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the clip."""
        ...

    def __iter__(self) -> Iterator[TimedFrame]:
        """Yield every frame, in the order of showing."""
        ...

    def digest(self) -> str:
        """Return what identifies the input's bytes; empty for a live clip."""
        ...


def open_clip(
    source: str | Path | VideoInput | Sequence[str | Path],
    fps: float = 25,
    *,
    start: str | float | None = None,
    end: str | float | None = None,
    every: int = 1,
    skip: int = 0,
    limits: SafetyLimits | None = None,
    high_bit_depth: bool = True,
    deinterlace: Literal["bwdif"] | None = None,
    fields: FieldChoice = "auto",
) -> Clip:
    """Return a video file, images, a stream or a camera as a sequence of frames.

    Args:
        source: Anything that :func:`outtake.video.read.inputs.expand_inputs` takes and that is one
            clip.
        fps: The frame rate of images.
        start: The time of the first frame to read: seconds, or ``hh:mm:ss.fff``, counted from the
            first frame.
        end: The first time that is left out, in the same form.
        every: One frame of this many is taken.
        skip: The number of selected frames that are done already; they are decoded and not yielded.
        limits: Bounds on what the source may ask for.
        high_bit_depth: Whether frames have 16 bits per component beside the 8, if the source has
            more than 8.
        deinterlace: ``bwdif`` makes one progressive frame of each interlaced one; None keeps the
            fields.
        fields: Which field of each frame comes first, ``tff`` or ``bff``, or ``none`` for whole
            pictures; ``auto`` is what the file says.

    Raises:
        VideoError: The source does not exist or cannot be read as a clip, or the selection is
            empty.
        ConfigError: The selection is invalid, or something about fields is asked of images.
    """
    selection = FrameSelection.from_config(start, end, every, skip)
    limits = limits or SafetyLimits()
    clip = source if isinstance(source, VideoInput) else _expand_single_input(source)
    if clip.images and (deinterlace is not None or fields in ("tff", "bff")):
        key = "deinterlace=bwdif" if deinterlace is not None else f"fields={fields}"
        raise ConfigError(f"read.{key}: goes with a video; {clip.path} are images")
    if len(clip.images) == 1 and is_animated(clip.images[0]):
        return AnimatedImage(clip.images[0], selection=selection, limits=limits)
    if clip.images:
        return ImageSequence(
            clip.path,
            fps,
            files=clip.images,
            selection=selection,
            limits=limits,
            high_bit_depth=high_bit_depth,
        )
    if clip.address:
        container = open_container(clip.address, limits)
        if is_live(container, clip.address):
            return StreamReader(
                clip.address,
                container,
                selection=selection,
                limits=limits,
                high_bit_depth=high_bit_depth,
                deinterlace=deinterlace is not None,
                fields=fields,
            )
        container.close()
    return VideoReader(
        clip.address or clip.path,
        selection=selection,
        limits=limits,
        high_bit_depth=high_bit_depth,
        deinterlace=deinterlace is not None,
        fields=fields,
    )


def _expand_single_input(value: str | Path | Sequence[str | Path]) -> VideoInput:
    clips = expand_inputs(value)
    if len(clips) > 1:
        names = ", ".join(clip.path.name for clip in clips[:3])
        raise VideoError(f"{value} are {len(clips)} clips ({names}, ...); one is taken here")
    return clips[0]
