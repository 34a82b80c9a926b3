"""Pictures with depth beside them, of which depth alone tells the classes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.data.generated import picture, save

SIZE = (48, 64)


def depth_of(number: int) -> NDArray[np.uint16]:
    """Near on one side and far on the other, uint16 (H, W) of 12 bits."""
    depth = np.full(SIZE, 800, np.uint16)
    depth[:, 12 + 8 * number % 40 :] = 3200
    return depth


def save_pictures(folder: Path, numbers: Iterable[int]) -> None:
    """Write images, masks and depth of these numbers."""
    for number in numbers:
        depth = depth_of(number)
        save(folder / f"images/{number}.png", picture(number, SIZE))
        save(folder / f"masks/{number}.png", (depth > 2000).astype(np.uint8))
        (folder / "depth").mkdir(exist_ok=True)
        Image.fromarray(depth).save(folder / f"depth/{number}.png")


def save_splits(root: Path) -> None:
    """Write eight pictures to train on, and three of another split."""
    save_pictures(root / "train", range(8))
    save_pictures(root / "val", range(8, 11))


def agreement(found: NDArray[np.uint8], root: Path, number: int) -> float:
    """Return the share of the pixels of a picture of ``val`` whose labels are the true ones."""
    truth = np.asarray(Image.open(root / f"val/masks/{number}.png"))
    return float((found == truth).mean())
