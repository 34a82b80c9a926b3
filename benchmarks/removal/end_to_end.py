"""Predicted masks, removal and encoding: what a user gets, against the street without objects."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from benchmarks.removal.scores import psnr, squared_error
from outtake.config.compose import compose
from outtake.config.load_trained import load_trained
from outtake.core.types import Frame
from outtake.data.scenes import Scenes
from outtake.data.synthetic.rendered_clip import SceneFrame
from outtake.programs.infer_video import infer_video
from outtake.video.read.clip import open_clip

SCORED_PIXELS = 50


def end_to_end(checkpoint: str, clips: int, frames: int, overrides: Sequence[str]) -> None:
    """Print the PSNR inside the true hole, after the encoded output was decoded again.

    The hole is what objects and shadows change, two pixels wider. Streets are of the test split,
    which no training saw, in the size of the training's. The rate includes loading the network.
    """
    source = load_trained(checkpoint, "cpu").config.data.source
    scenes = Scenes(seed=source.seed, height=source.height, width=source.width)
    wanted = ",".join(scenes.object_names)
    print(f"{'clip':10}{'as it is':>10}{'removed':>10}{'outside':>10}{'frames/s':>10}   PSNR in dB")
    with TemporaryDirectory() as folder:
        for index in range(clips):
            shots = list(scenes.clip("test", index, frames))
            given, target = Path(folder, f"in{index}"), Path(folder, f"out{index}.mp4")
            write_frames(given, [shot.image for shot in shots])
            cfg = compose(
                "infer_video",
                [
                    f"checkpoint={checkpoint}",
                    f"input={given}",
                    f"output={target}",
                    f"read.fps={float(scenes.clip('test', index, 1).fps)}",
                    f"remove=[{wanted}]",
                    *overrides,
                ],
            )
            begin = time.perf_counter()
            with redirect_stdout(StringIO()):  # its summary would stand between the rows
                infer_video(cfg)
            rate = frames / (time.perf_counter() - begin)
            with open_clip(target) as clip:
                results = [frame.image for frame in clip]
            before, after, outside = scores(shots, results)
            print(
                f"test/{index:<5}{before:10.2f}{after:10.2f}{outside:10.2f}{rate:10.1f}", flush=True
            )


def write_frames(folder: Path, frames: Sequence[Frame]) -> None:
    """Write frames as a folder of PNG."""
    folder.mkdir()
    for t, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{t:05d}.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))


def scores(shots: Sequence[SceneFrame], results: Sequence[Frame]) -> tuple[float, float, float]:
    """Return the PSNR in the hole of the frames as they are and of the results, and outside."""
    before, after, outside = [], [], []
    for shot, result in zip(shots, results, strict=True):
        changed = (shot.image != shot.background).any(axis=2)
        hole = cv2.dilate(changed.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        if hole.sum() >= SCORED_PIXELS:
            before.append(squared_error(shot.background, shot.image, hole))
            after.append(squared_error(shot.background, result, hole))
        outside.append(squared_error(shot.background, result, ~hole))
    return psnr(before), psnr(after), psnr(outside)
