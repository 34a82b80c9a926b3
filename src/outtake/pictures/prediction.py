"""What a network sees in a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outtake.core.labels import LabelSpace


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a network sees in one picture, or in each of a batch.

    Attributes:
        labels: Class ids, uint8 (H, W), or (B, H, W) of a batch.
        confidence: The probability of each label, float32 of the same shape, 0 to 1; None from a
            predictor without ``confidence``.
        label_space: What the ids mean.
    """

    labels: NDArray[np.uint8]
    confidence: NDArray[np.float32] | None
    label_space: LabelSpace
