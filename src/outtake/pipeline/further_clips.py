"""Clips in step with the input: one for each further input of the network, such as depth."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from outtake.config.infer_video_schema import InferVideoConfig
from outtake.core.errors import ConfigError, VideoError
from outtake.core.types import Frame, TimedFrame
from outtake.data.further_inputs import (
    FurtherInput,
    check_size,
    explain_difference,
    from_files,
)
from outtake.data.image_files import convert_channels
from outtake.inference.clip_predictor import find_scale, rescale_frame
from outtake.motion.plate_residual import PlateResidual
from outtake.pipeline.mask_setup import find_part
from outtake.video.read.clip import open_clip
from outtake.video.read.count_frames import count_frames
from outtake.video.read.inputs import VideoInput, expand_inputs, sha256_of_images
from outtake.video.read.probe import VideoInfo
from outtake.video.read.safety_limits import SafetyLimits

KEY = "further_inputs"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FurtherClip:
    """The frames of one further input.

    Images are read as those of training are, so their samples have the range of training. Of a
    video the same shares of full scale are black and white.

    Attributes:
        input: The input.
        clip: Its frames.
        part: Which of them are used; None for all.
        limits: Bounds on what it may ask for.
        scale: The shares of a video's full scale that become 0 and 255.
    """

    input: FurtherInput
    clip: VideoInput
    part: range | None
    limits: SafetyLimits
    scale: tuple[float, float]

    def open(self, skip: int, size: tuple[int, int]) -> Generator[Frame, None, None]:
        """Yield the input, uint8 (H, W, channels), from the frame with this number on.

        Args:
            skip: The number of the first frame.
            size: The height and width of the frames of the input clip.
        """
        used = self.part or range(sys.maxsize)
        first = used.start + skip * used.step
        if self.clip.images:
            for path in islice(self.clip.images, first, used.stop, used.step):
                yield self.input.read(path, size, "its frame")
            return
        with open_clip(self.clip, skip=first, limits=self.limits) as clip:
            for frame in islice(clip, 0, max(used.stop - first, 0), used.step):
                image = rescale_frame(frame, self.scale)
                check_size(self.clip.path, (image.shape[0], image.shape[1]), size, "its frame")
                yield convert_channels(image, self.input.channels, self.clip.path)

    def digest(self) -> str:
        """Return what identifies its content."""
        if self.clip.images:
            return sha256_of_images(self.clip.images)
        with open_clip(self.clip, limits=self.limits) as clip:
            return clip.digest()


def attach_further(
    frames: Iterable[TimedFrame],
    clips: Sequence[FurtherClip],
    first_number: int = 0,
    may_continue: Callable[[], bool] = lambda: False,
) -> Iterator[TimedFrame]:
    """Yield frames with what further clips show at each, in ``further``.

    Args:
        frames: The frames of the input.
        clips: The further clips.
        first_number: The number of the first frame.
        may_continue: Called when the frames end before a further clip; returns whether that has a
            reason that is reported elsewhere.

    Raises:
        VideoError: One of them ends before the other.
    """
    with ExitStack() as files:
        opened: list[Generator[Frame, None, None]] = []
        number = first_number - 1
        for number, frame in enumerate(frames, first_number):
            if not opened:
                size = (frame.image.shape[0], frame.image.shape[1])
                opened = [
                    files.enter_context(closing(each.open(first_number, size))) for each in clips
                ]
            parts = [next(each, None) for each in opened]
            for clip, part in zip(clips, parts, strict=True):
                if part is None:
                    raise VideoError(
                        f"{KEY}.{clip.input.name}: {clip.clip.path} ends before frame {number} "
                        "(counted from 0), but the clip continues; give a frame for each"
                    )
            known = [part for part in parts if part is not None]
            yield replace(frame, further=np.concatenate(known, axis=2))
        for clip, rest in zip(clips, opened, strict=bool(opened)):
            if not may_continue() and next(rest, None) is not None:
                raise VideoError(
                    f"the clip ends with frame {number} (counted from 0), but {clip.clip.path} of "
                    f"{KEY}.{clip.input.name} continues; give a frame for each"
                )


def plate_offsets(inputs: Sequence[FurtherInput]) -> tuple[tuple[int, ...], ...]:
    """Return the offsets of each input that is computed from the clip itself."""
    return tuple(each.plate_offsets for each in inputs if each.plate_offsets)


def attach_residual(frames: Iterable[TimedFrame], offsets: tuple[int, ...]) -> Iterator[TimedFrame]:
    """Yield frames with what differs from their own clip's plate, behind all else in ``further``.

    Args:
        frames: The frames of the input.
        offsets: The distances that make the plate, as in training.
    """
    for frame, residual in PlateResidual(offsets)(frames, lambda frame: frame.image):
        assert residual is not None
        parts = [residual] if frame.further is None else [frame.further, residual]
        yield replace(frame, further=np.concatenate(parts, axis=2))


def find_further_clips(
    config: InferVideoConfig, source: VideoInput, inputs: Sequence[FurtherInput]
) -> tuple[FurtherClip, ...]:
    """Return the clips of the further inputs of a network, in the order of their channels.

    Raises:
        ConfigError: The network has others, or one that no video can show.
        VideoError: One does not exist.
    """
    named = config.further_inputs or {}
    if (problem := explain_difference(inputs, list(named), KEY, "CLIP")) is not None:
        raise ConfigError(problem)
    inputs = from_files(inputs)
    if not inputs:
        return ()
    part, _ = find_part(config, source)
    found = []
    for each in inputs:
        clip = expand_further(each.name, named[each.name])
        if not clip.images and each.channels not in (1, 3):
            raise ConfigError(
                f"{KEY}.{each.name}={clip.path}: the network takes {each.channels} channels of it, "
                "and a video has 3 or 1; give a folder of images"
            )
        scale = find_scale(None if clip.images else each.sample_range)
        found.append(FurtherClip(each, clip, part, config.read.limits, scale))
    return tuple(found)


def expand_further(name: str, value: object) -> VideoInput:
    """Return the clip of a further input.

    Raises:
        ConfigError: It is none, several, or a stream.
        VideoError: It does not exist.
    """
    if not isinstance(value, str | list):
        raise ConfigError(f"{KEY}.{name}={value}: give a video, or a folder of images")
    clips = expand_inputs(value, f"{KEY}.{name}")
    if len(clips) > 1 or clips[0].address:
        what = f"{len(clips)} clips" if len(clips) > 1 else "a stream"
        raise ConfigError(f"{KEY}.{name}={value}: is {what}; give one video or folder of images")
    return clips[0]


def check_further_clips(config: InferVideoConfig, source: VideoInput, info: VideoInfo) -> None:
    """Find a further clip that cannot run in step with the input, before any work.

    Args:
        config: The config.
        source: The input.
        info: Its description.

    Raises:
        SizeMismatchError: It has another size.
        ConfigError: It has another number of frames.
        VideoError: It cannot be read.
    """
    further: Mapping[str, object] = config.further_inputs or {}
    for name, value in further.items():
        clip = expand_further(name, value)
        with open_clip(clip, limits=config.read.limits) as opened:
            size = (opened.info.height, opened.info.width)
        check_size(clip.path, size, (info.height, info.width), source.path)
        frames, own = _count(source, config.read.limits), _count(clip, config.read.limits)
        if frames is not None and own is not None and frames != own:
            raise ConfigError(
                f"{KEY}.{name}: {clip.path} has {own} frames, and {source.path} {frames}; give "
                "one for each"
            )


def _count(clip: VideoInput, limits: SafetyLimits) -> int | None:
    return len(clip.images) or count_frames(clip.path, limits)


def further_paths(config: InferVideoConfig) -> list[Path]:
    """Return the files of the further inputs."""
    found = []
    for name, value in (config.further_inputs or {}).items():
        clip = expand_further(name, value)
        found += [*clip.images] or [clip.path]
    return found
