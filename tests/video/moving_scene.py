"""Helpers that several tests of videos share."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from outtake.core.types import TimedFrame
from outtake.video.read.probe import VideoInfo
from outtake.video.write.codecs import CODECS
from outtake.video.write.encoding_plan import EncodingRequest
from outtake.video.write.video_writer import open_writer

BASE = Fraction(1, 12800)


PTS = [0, 300, 1100, 1600, 2300, 2400]


SUFFIXES = {"mp4": ".mp4", "mov": ".mov", "matroska": ".mkv", "webm": ".webm"}


TARGETS = [
    (name, SUFFIXES[container])
    for name, (codec, *_) in CODECS.items()
    for container in codec.containers
    if not codec.gpu
]


def scene(number: int, width: int = 96, height: int = 64, channels: int = 3) -> np.ndarray:
    """A smooth picture of moderate colours that moves, 16 bits."""
    noise = np.random.default_rng(4).uniform(0.3, 0.7, (8, 10, channels)).astype(np.float32)
    big = cv2.resize(noise, (width + 16, height), interpolation=cv2.INTER_CUBIC)
    return (np.clip(big[:, number : number + width], 0, 1) * 65535).astype(np.uint16)


def describe(tmp_path: Path, **changes) -> VideoInfo:
    plain = VideoInfo(tmp_path / "in.mov", 96, 64, Fraction(25), BASE, codec="none")
    return replace(plain, **changes)


def write(path: Path, info: VideoInfo, frames: list[TimedFrame], **request) -> Path:
    with open_writer(path, info, EncodingRequest(**request)) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def shallow(width: int = 96, height: int = 64, channels: int = 3) -> list[TimedFrame]:
    return [
        TimedFrame((scene(i, width, height, channels) >> 8).astype(np.uint8), pts, BASE)
        for i, pts in enumerate(PTS)
    ]


def decode(path: Path, decoder: str | None = None) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        if decoder is None:
            return list(container.decode(video=0))
        context = av.CodecContext.create(decoder, "r")
        frames = [f for packet in container.demux(video=0) for f in context.decode(packet)]
        return frames
