"""A tiny video and its masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

HEIGHT, WIDTH, FRAMES = 24, 32, 10


def ids(number: int) -> np.ndarray:
    """Two objects, 1 and 2, which move, uint8 (H, W)."""
    found = np.zeros((HEIGHT, WIDTH), np.uint8)
    found[4:10, number : number + 8] = 1
    found[14:20, 20 - number : 28 - number] = 2
    return found


def picture(number: int) -> np.ndarray:
    """A frame, uint8 (H, W, 3)."""
    noise = np.random.default_rng(number).integers(0, 200, (HEIGHT, WIDTH, 3))
    return (noise + 20 * ids(number)[..., None]).astype(np.uint8)


def white(number: int) -> np.ndarray:
    return np.repeat((ids(number) > 0).astype(np.uint8)[..., None] * 255, 3, 2)


def write_clip(
    path: Path, make: Callable[[int], np.ndarray] = picture, frames: int = FRAMES
) -> Path:
    """Write a lossless video."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(make(number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def lay_masks(folder: Path, numbers: Sequence[int] = range(FRAMES)) -> Path:
    """Write palette PNGs that are named by the numbers of frames."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        image = Image.fromarray(ids(number), "P")
        image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [64] * (3 * 253))
        image.save(folder / f"{number:05d}.png")
    return folder
