"""A data set: bright discs on dark noise, drawn when they are asked for."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np

from outtake.core.labels import LabelSpace
from outtake.core.types import Frame, LabelMap
from outtake.data.source import Sample


class Discs:
    """Images with one disc each, and masks of the classes ``background`` and ``disc``.

    Args:
        images: The number of images of each split.
        side_px: The height and width of an image.
    """

    def __init__(self, images: int = 16, side_px: int = 64) -> None:
        self.name = "discs"
        self.labels = LabelSpace(("background", "disc"), ((0, 0, 0), (255, 200, 0)))
        self.channels = 3
        self._images = images
        self._side_px = side_px

    def samples(self, split: str) -> list[Sample]:
        """Return the samples of a split; the names are all that is needed to draw them."""
        names = [f"{split}/{number:04d}" for number in range(self._images)]
        return [Sample(name, name, name) for name in names]

    def read_image(self, sample: Sample) -> Frame:
        """Return uint8 (side, side, 3) RGB."""
        noise = self._rng(sample).integers(0, 80, (self._side_px, self._side_px, 3), np.uint8)
        noise[self.read_mask(sample) == 1] += 150
        return noise

    def read_mask(self, sample: Sample) -> LabelMap:
        """Return class ids, uint8 (side, side)."""
        x, y, radius = self._rng(sample).uniform((0.2, 0.2, 0.1), (0.8, 0.8, 0.3)) * self._side_px
        mask = np.zeros((self._side_px, self._side_px), np.uint8)
        cv2.circle(mask, (round(x), round(y)), round(radius), 1, -1)
        return mask

    def sample_bytes(self, sample: Sample) -> tuple[bytes, ...]:
        """Return the bytes that identify a sample: here its name and size."""
        content = f"{sample.id} {self._side_px}".encode()
        return content, content

    def _rng(self, sample: Sample) -> np.random.Generator:
        seed = hashlib.sha256(sample.id.encode()).digest()
        return np.random.default_rng(int.from_bytes(seed[:8], "big"))
