"""The interfaces between a network, the runtime that runs it, and the users of its labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

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


@runtime_checkable
class UncertaintyBackend(Protocol):
    """A backend that also knows how unsure its network is of some classes."""

    def label_with_uncertainty(
        self, images: Images, size: tuple[int, int], ids: Sequence[int]
    ) -> tuple[LabelMaps, Confidences | None, list[float | None]]:
        """Label a batch as :class:`Backend` does.

        Returns:
            Class ids and probabilities, and the uncertain share of the classes ``ids`` in each
            image; see :func:`outtake.inference.uncertain_share.uncertain_share`.
        """
        ...


class Network(Protocol):
    """Runs a network alone, at its own resolution; every runtime has one."""

    def __call__(self, images: Images) -> Logits:
        """Map uint8 (B, h, w, C) to logits, float32 (B, h, w, classes)."""
        ...
