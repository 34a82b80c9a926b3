"""What an image shows around points."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def sample_patches(
    grey: NDArray[np.uint8], points: NDArray[np.float32], radius_px: int
) -> NDArray[np.float32]:
    """Return the brightness around points (n, 2), bilinear, float32 (n, (2 radius_px + 1)^2)."""
    steps = np.arange(-radius_px, radius_px + 1, dtype=np.float32)
    around = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(1, -1, 2)
    sampled = cv2.remap(grey, points[:, None] + around, None, cv2.INTER_LINEAR)
    return np.asarray(sampled, np.float32)
