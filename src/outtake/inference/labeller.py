"""Make a backend of a network: from its logits to labels of any size."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from outtake.inference.protocol import Confidences, Images, LabelMaps, Logits, Network
from outtake.inference.uncertain_share import uncertain_share
from outtake.inference.upsample_argmax import upsample_argmax
from outtake.refine.refiner import Refiner, refine_logits


class Labeller:
    """Makes a :class:`~outtake.inference.protocol.Backend` of a network.

    Args:
        network: The network; of several, a
            :class:`~outtake.inference.ensemble.NetworkEnsemble`.
        confidence: Compute the probability of each label too.
        refiner: What improves the network's probabilities by the picture that it saw; None leaves
            them.
    """

    def __init__(
        self, network: Network, *, confidence: bool = False, refiner: Refiner | None = None
    ) -> None:
        self.network = network
        self._refiner = refiner
        self._confidence = confidence
        # Two runs of a network at once would only wait for each other.
        self._run_lock = Lock()

    def __call__(
        self, images: Images, size: tuple[int, int]
    ) -> tuple[LabelMaps, Confidences | None]:
        """Label a batch; see :class:`outtake.inference.protocol.Backend`."""
        return self._label(self._compute_logits(images), size)

    def label_with_uncertainty(
        self, images: Images, size: tuple[int, int], ids: Sequence[int]
    ) -> tuple[LabelMaps, Confidences | None, list[float | None]]:
        """Label a batch; see :class:`outtake.inference.protocol.UncertaintyBackend`."""
        batch = self._compute_logits(images)
        return *self._label(batch, size), [uncertain_share(logits, ids) for logits in batch]

    def _compute_logits(self, images: Images) -> Logits:
        with self._run_lock:
            logits = self.network(images)
        return logits if self._refiner is None else refine_logits(self._refiner, images, logits)

    def _label(self, batch: Logits, size: tuple[int, int]) -> tuple[LabelMaps, Confidences | None]:
        labels: list[NDArray[np.uint8]] = []
        probabilities: list[NDArray[np.float32]] = []
        for logits in batch:
            found, probability = upsample_argmax(logits, size, confidence=self._confidence)
            labels.append(found)
            if probability is not None:
                probabilities.append(probability)
        return np.stack(labels), np.stack(probabilities) if probabilities else None
