"""The interfaces between a network, the runtime that runs it, and the users of its labels."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Logits = NDArray[np.float32]
LabelMaps = NDArray[np.uint8]
Confidences = NDArray[np.float32]


class Backend(Protocol):
    """Labels images."""

    def __call__(
        self, images: Images, size: tuple[int, int]
    ) -> tuple[LabelMaps, Confidences | None]:
        """Label a batch. It may be called from several threads at once.

        Args:
            images: uint8 (B, h, w, C), at the network's resolution.
            size: The (H, W) of the label maps.

        Returns:
            Class ids, uint8 (B, H, W), and the probability of each, float32 (B, H, W) in 0..1, or
            None from a backend that was opened without ``confidence``.
        """
        ...


class Network(Protocol):
    """Runs a network alone, at its own resolution; every runtime has one."""

    def __call__(self, images: Images) -> Logits:
        """Map uint8 (B, h, w, C) to logits, float32 (B, h, w, classes)."""
        ...
