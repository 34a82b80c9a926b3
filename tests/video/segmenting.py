"""A clip in three segments, and what its tests ask of the files."""

from pathlib import Path

import av
import numpy as np
import pytest

from outtake.core.types import TimedFrame
from outtake.video.read.clip import open_clip
from outtake.video.write.output import Output

VARIABLE_PTS = np.cumsum(np.random.default_rng(1).integers(100, 2000, 30)).tolist()
LENGTHS = (11, 11, 8)
JOB = {"config": {"dilate": 0.017}, "input": "abc"}
CODECS = [
    ("out.mp4", "h264"),
    ("out.mov", "h264"),
    ("out.mkv", "h264"),
    ("out.mp4", "h265"),
    ("out.webm", "vp9"),
    ("out.webm", "av1"),
    ("out.mp4", "av1"),
    ("out.mkv", "ffv1"),
    ("out.mov", "prores"),
    ("out.mkv", "mpeg2"),
]


def write_segments(output: Output, frames: list[TimedFrame], segments=(0, 1, 2)) -> None:
    for index in segments:
        start = sum(LENGTHS[:index])
        with output.open_segment(index) as writer:
            for frame in frames[start : start + LENGTHS[index]]:
                writer.write(frame)


def interrupt_segment(output: Output, index: int, frames: list[TimedFrame], after: int) -> None:
    start = sum(LENGTHS[:index])
    with pytest.raises(KeyboardInterrupt), output.open_segment(index) as writer:
        for frame in frames[start : start + after]:
            writer.write(frame)
        raise KeyboardInterrupt


def read_frames(path: Path) -> list[TimedFrame]:
    with open_clip(path) as clip:
        return list(clip)


def show_same_frames(one: Path, two: Path) -> bool:
    pairs = zip(read_frames(one), read_frames(two), strict=True)
    return all(a.pts == b.pts and np.array_equal(a.image, b.image) for a, b in pairs)


def read_packets(path: Path, kind: str = "audio") -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [
            (float(packet.pts * packet.time_base), bytes(packet))
            for packet in container.demux(stream)
            if packet.size
        ]


def file_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
