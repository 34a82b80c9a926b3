"""An augmentation: any albumentations transform, drawing from its own generator only."""

from __future__ import annotations

from typing import Any

import albumentations
import numpy as np
from numpy.typing import NDArray


class Salt(albumentations.ImageOnlyTransform):
    """Turn some pixels white.

    Args:
        share: The share of the pixels, 0 to 1.
        p: The probability that an image is changed at all.
    """

    def __init__(self, share: float = 0.01, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.share = share

    def apply(self, img: NDArray[np.uint8], **params: Any) -> NDArray[np.uint8]:
        """Return the image with white pixels.

        ``self.random_generator`` is seeded for each sample: another generator would give other
        images with another number of workers.
        """
        white = self.random_generator.random(img.shape[:2]) < self.share
        return np.where(white[..., None], np.uint8(255), img)
