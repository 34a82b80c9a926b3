"""The seams between a network, whatever runs it, and everything that uses its labels."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Logits = NDArray[np.float32]
LabelMaps = NDArray[np.uint8]
Confidences = NDArray[np.float32]


class Backend(Protocol):
    """Labels pictures."""

    def __call__(
        self, images: Images, size: tuple[int, int]
    ) -> tuple[LabelMaps, Confidences | None]:
        """Label a batch. It may be called from several threads at once.

        Args:
            images: uint8 (B, h, w, C), at the network's resolution.
            size: (H, W) of the label maps wanted.

        Returns:
            Class ids, uint8 (B, H, W), and the probability of each, float32 (B, H, W) in 0..1, or
            None from a backend that was told not to compute it.
        """
        ...


class Network(Protocol):
    """Runs the network alone, at its own resolution: what a runtime has to offer."""

    def __call__(self, images: Images) -> Logits:
        """Map uint8 (B, h, w, C) to logits, float32 (B, h, w, classes)."""
        ...
