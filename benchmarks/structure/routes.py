"""Count the files in which a function runs at least once for each frame, or each sample.

    OUTTAKE_DATA=PATH python -m benchmarks.structure.routes

A frame goes from decoding to the finished file with masks of its own (``clean_plate``); a sample of
CamVid goes from its file to the loss. What serves neither alone (records, resumption, guards)
is counted too, and listed, so that it can be told apart by hand.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import cv2
import numpy as np

import outtake
from outtake.config.compose import compose

FRAMES, SAMPLES = 24, 16
_ROOT = str(Path(outtake.__file__).parent) + "/"


def count_calls(run: Callable[[], object]) -> Counter[tuple[str, str]]:
    """Return how often each function of the package was called, by its file and name."""
    calls: Counter[tuple[str, str]] = Counter()

    def note(frame: FrameType, event: str, argument: object) -> None:
        path = frame.f_code.co_filename
        if event == "call" and path.startswith(_ROOT):
            calls[path[len(_ROOT) :], frame.f_code.co_name] += 1

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return calls


def clean_a_clip(folder: Path) -> None:
    """Take a disc out of a texture that pans."""
    from outtake.programs.infer_video import infer_video

    texture = np.random.default_rng(0).integers(0, 255, (80, 120, 3), np.uint8)
    texture = cv2.resize(texture, (480, 320), interpolation=cv2.INTER_CUBIC)
    for name in ("frames", "masks"):
        (folder / name).mkdir()
    for index in range(FRAMES):
        picture = texture[40:280, 2 * index : 320 + 2 * index].copy()
        mask = np.zeros(picture.shape[:2], np.uint8)
        centre = (60 + 8 * index, 120)
        cv2.circle(picture, centre, 24, (20, 20, 240), -1)
        cv2.circle(mask, centre, 27, 255, -1)
        cv2.imwrite(str(folder / "frames" / f"{index:03}.png"), picture)
        cv2.imwrite(str(folder / "masks" / f"{index:03}.png"), mask)
    places = {"input": "frames", "masks.path": "masks", "output": "out.mp4"}
    infer_video(compose("infer_video", [f"{key}={folder / at}" for key, at in places.items()]))


def train_on_camvid(folder: Path) -> None:
    """Train as many steps as samples, one by one."""
    from outtake.programs.train import train

    overrides = [
        "data=camvid", "data.workers=0", "data.cache=false", "data.batch_size=1",
        "trainer=cpu", "trainer.max_epochs=1", f"+trainer.limit_train_batches={SAMPLES}",
        "+trainer.limit_val_batches=0", "callbacks=none", "logger=none", "backbone=mobilenet_v2",
    ]  # fmt: skip
    train(compose("train", overrides), folder / "run")


def main() -> None:
    """Print the number of files on each route, and the files."""
    routes = {"frame": (clean_a_clip, FRAMES), "sample": (train_on_camvid, SAMPLES)}
    for what, (run, times) in routes.items():
        with tempfile.TemporaryDirectory() as folder:
            calls = count_calls(lambda run=run, folder=folder: run(Path(folder)))
        files = Counter(path for (path, _), count in calls.items() if count >= times)
        print(f"one {what}: {len(files)} files with a function that is called for each")
        print(*(f"  {path}" for path in sorted(files)), sep="\n")


if __name__ == "__main__":
    main()
