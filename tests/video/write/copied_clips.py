"""Outputs of which some frames are changed, and what their tests ask of the files."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np

from outtake.core.types import TimedFrame
from outtake.video.read.clip import open_clip
from outtake.video.write.encoding_plan import EncodingRequest
from outtake.video.write.open_output import open_output
from outtake.video.write.output import Output

FRAMES, GROUP = 30, 6
# Closed groups of six frames, two of which are shown in another order than they are stored.
CLOSED = {"bf": "2", "x264-params": "keyint=6:min-keyint=6:scenecut=0"}
OPEN = {"bf": "2", "x264-params": "keyint=6:min-keyint=6:scenecut=0:open-gop=1"}
SEGMENT = 11


def change_frames(frames: Iterable[TimedFrame], changed: Collection[int]) -> list[TimedFrame]:
    """Return frames of which some have a grey box."""
    made = []
    for number, frame in enumerate(frames):
        image = frame.image.copy()
        if number in changed:
            image[10:40, 10:50] = 128
        made.append(replace(frame, image=image))
    return made


def open_copying(target: Path, source: Path, **options: Any) -> tuple[Output, list[TimedFrame]]:
    """Return an output of a clip that copies, and the frames of the clip."""
    request = EncodingRequest(copy_unchanged=options.pop("copy_unchanged", "auto"))
    read = options.pop("read", {})
    with open_clip(source, **read) as clip:
        return open_output(target, clip.info, request, **options), list(clip)


def write_segment(output: Output, frames: list[TimedFrame], index: int) -> None:
    """Write one segment of eleven frames."""
    with output.open_segment(index) as writer:
        for frame in frames[index * SEGMENT : (index + 1) * SEGMENT]:
            writer.write(frame)


def copy_clip(target: Path, source: Path, changed: Collection[int] = (), **options: Any) -> Output:
    """Write a whole clip, with some frames changed, in segments; return the finished output."""
    output, frames = open_copying(target, source, **options)
    frames = change_frames(frames, changed)
    count = -(-len(frames) // SEGMENT)
    for index in range(count):
        write_segment(output, frames, index)
    assert output.finish(count) == len(frames)
    return output


def read_planes(path: Path) -> list[np.ndarray]:
    """Return the samples of every frame, as they are stored."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray() for frame in container.decode(video=0)]


def read_times(path: Path) -> list[float]:
    """Return when each frame is shown, in seconds after the first."""
    with open_clip(path) as clip:
        times = [float(frame.pts * frame.time_base) for frame in clip]
    return [time - times[0] for time in times]


def same_frames(one: Path, two: Path) -> list[int]:
    """Return the numbers of the frames that have the same samples in two files."""
    pairs = zip(read_planes(one), read_planes(two), strict=True)
    return [number for number, (a, b) in enumerate(pairs) if np.array_equal(a, b)]
