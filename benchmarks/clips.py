"""Clips and masks for the benchmarks that run the whole program."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from outtake.core.types import TimedFrame
from outtake.data.scenes import Scenes
from outtake.video.read.probe import VideoInfo
from outtake.video.write.encoding_plan import EncodingRequest
from outtake.video.write.video_writer import open_writer

ROOT = Path(__file__).resolve().parents[1]
REMOVED = ("car", "person")


def data_folder() -> Path:
    """Return where the real clips are."""
    return Path(os.environ.get("OUTTAKE_DATA") or ROOT.parent / "shared" / "data")


def scene_with_masks(folder: Path, frames: int, height: int, width: int) -> tuple[Path, Path]:
    """Write a rendered clip and the true masks of what is to be removed; return both."""
    clip = Scenes(height=height, width=width).clip("test", 0, frames)
    info = VideoInfo(Path("scene"), width, height, fps=clip.fps, time_base=1 / clip.fps)
    video, masks = folder / "scene.mp4", folder / "masks.mkv"
    ids = clip.labels.ids(REMOVED)
    tip = np.ones((9, 9), np.uint8)
    lossless = EncodingRequest("ffv1")
    with open_writer(video, info) as pictures, open_writer(masks, info, lossless) as holes:
        for index, frame in enumerate(clip):
            hole = cv2.dilate(np.isin(frame.labels, ids).astype(np.uint8), tip) * np.uint8(255)
            pictures.write(TimedFrame(frame.image, index, info.time_base))
            holes.write(TimedFrame(np.repeat(hole[..., None], 3, 2), index, info.time_base))
    return video, masks


def camvid_drive(path: Path, height: int, width: int, repeats: int = 1) -> Path:
    """Write the CamVid val drive as a 15 fps video of the given size, there and back again.

    Played forwards and backwards in turn, so that any length has no cut.
    """
    files = sorted((data_folder() / "camvid" / "val").iterdir())
    info = VideoInfo(Path("drive"), width, height, fps=Fraction(15), time_base=Fraction(1, 15))
    with open_writer(path, info, overwrite=True) as writer:
        for turn in range(repeats):
            order = files if turn % 2 == 0 else files[::-1]
            for index, file in enumerate(order):
                image = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
                image = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
                frame = np.ascontiguousarray(image)
                writer.write(TimedFrame(frame, turn * len(files) + index, info.time_base))
    return path
