"""Networks that need no training."""

import numpy as np


class Pointwise:
    """A network without a field of view: windows must not change what it says."""

    def __init__(self):
        self.shapes = []

    def __call__(self, images):
        self.shapes.append(images.shape[1:3])
        value = images.astype(np.float32)
        return np.stack([value[..., 0] - 99, 120 - value[..., 1], value[..., 2] / 2], -1)


def noise(height, width, count=2):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)
