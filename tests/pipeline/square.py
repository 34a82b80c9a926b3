"""A square that stands in a picture that pans: small clips for tests of whole removals."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from outtake.core.frames import LabelledFrame
from outtake.core.labels import LabelSpace
from outtake.core.types import TimedFrame
from outtake.masking.policy import MaskPolicy
from outtake.pipeline.setup import PipelineParts
from outtake.video.read.clip import open_clip
from outtake.video.read.probe import VideoInfo
from outtake.video.write.encoding_plan import EncodingRequest
from outtake.video.write.video_writer import open_writer

HEIGHT, WIDTH, FRAMES, STEP = 48, 64, 8, 512
HOLE = (slice(14, 30), slice(20, 40))
TIME_BASE = Fraction(1, 12800)


def write_scene(folder: Path, frames: int = FRAMES) -> Path:
    """Write ``in.mkv``, and the masks of the square as ``masks.mkv``."""
    noise = np.random.default_rng(0).integers(0, 255, (20, 60, 3), np.uint8)
    wide = np.ascontiguousarray(noise.repeat(6, 0).repeat(6, 1))
    info = VideoInfo(folder, WIDTH, HEIGHT, Fraction(25), TIME_BASE)
    with (
        open_writer(folder / "in.mkv", info, EncodingRequest(codec="ffv1")) as pictures,
        open_writer(folder / "masks.mkv", info, EncodingRequest(codec="ffv1")) as masks,
    ):
        for index in range(frames):
            image = wide[:HEIGHT, 3 * index : 3 * index + WIDTH].copy()
            image[HOLE] = (255, 0, 0)
            hole = np.zeros_like(image)
            hole[HOLE] = 255
            for writer, picture in ((pictures, image), (masks, hole)):
                writer.write(TimedFrame(picture, index * STEP, TIME_BASE))
    return folder


def frames(path: Path) -> list[TimedFrame]:
    with open_clip(path) as clip:
        return list(clip)


class SquareLabels:
    """Knows where the square is, so that a clip needs no checkpoint."""

    stride = 1

    def __call__(self, clip):
        for frame in clip:
            labels = np.zeros((HEIGHT, WIDTH), np.uint8)
            labels[HOLE] = 1
            yield LabelledFrame(frame, labels, LabelSpace.from_names(("ground", "square")))


def square_parts(config, remover, frame_size=None) -> PipelineParts:
    """Stands for ``build_parts``."""
    return PipelineParts(remover, SquareLabels(), MaskPolicy([1]))
