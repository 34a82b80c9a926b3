"""Small generated images and masks."""

from pathlib import Path

import numpy as np
from PIL import Image

from outtake.data.folder import Folder

SIZE = (24, 32)


def picture(seed: int, size=SIZE, channels: int = 3):
    """A smooth random image, uint8 (H, W, channels)."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (4, 4, channels), dtype=np.uint8)
    rows = np.linspace(0, 3.99, size[0]).astype(int)
    columns = np.linspace(0, 3.99, size[1]).astype(int)
    return small[rows][:, columns]


def label_map(seed: int, size=SIZE, classes: int = 3):
    """Random class ids in blocks, uint8 (H, W); every class occurs."""
    blocks = np.random.default_rng(seed).permutation(np.arange(16) % classes).reshape(4, 4)
    rows = np.linspace(0, 3.99, size[0]).astype(int)
    columns = np.linspace(0, 3.99, size[1]).astype(int)
    return blocks[rows][:, columns].astype(np.uint8)


def save(path: Path, array) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def fill(images, masks, names="abc", ending="", extension="png"):
    """Pairs of these names in two folders."""
    for seed, name in enumerate(names):
        save(images / f"{name}.{extension}", picture(seed))
        save(masks / f"{name}{ending}.png", label_map(seed))


def make_folder(root, masks, classes=None):
    """One training sample for each mask; return its source."""
    for number, mask in enumerate(masks):
        save(root / f"train/images/{number}.png", picture(number, mask.shape[:2]))
        save(root / f"train/masks/{number}.png", mask)
    if classes is not None:
        (root / "classes.yaml").write_text(classes)
    return Folder(str(root))


def labels_of(source, number=0):
    return source.read_mask(source.samples("train")[number])
