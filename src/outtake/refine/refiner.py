"""The interface of what improves a network's probabilities by the picture that it saw."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame
from outtake.data.resize import resize

Probabilities = NDArray[np.float32]
# The logarithm of a probability that float32 has rounded to 0 is taken of this one.
_LEAST_PROBABILITY = np.float32(1e-30)


@runtime_checkable
class Refiner(Protocol):
    """Improves the probabilities of one picture: a pure function of these two arrays."""

    def refine(self, image: Frame, probabilities: Probabilities) -> Probabilities:
        """Return better probabilities, of the same shape.

        Args:
            image: uint8 (h, w, C), the picture as the network saw it.
            probabilities: float32 (classes, h, w), which sum to 1 in each pixel; they may be
                overwritten.
        """
        ...


class Unrefined:
    """Leaves probabilities as the network gave them."""

    def refine(self, image: Frame, probabilities: Probabilities) -> Probabilities:
        """Return them; see :class:`Refiner`."""
        return probabilities


def refine_logits(
    refiner: Refiner, images: NDArray[np.uint8], logits: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the logarithms of refined probabilities, float32 (B, h, w, classes).

    Args:
        refiner: The refiner.
        images: uint8 (B, H, W, C), of any size.
        logits: float32 (B, h, w, classes).
    """
    return np.stack([_refine_one(refiner, *each) for each in zip(images, logits, strict=True)])


def _refine_one(refiner: Refiner, image: Frame, logits: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width, classes = logits.shape
    # OpenCV transposes by blocks, six times as fast as NumPy copies.
    pixels = np.ascontiguousarray(logits, np.float32).reshape(-1, classes)
    planes = np.asarray(cv2.transpose(pixels), np.float32).reshape(classes, height, width)
    planes -= planes.max(axis=0)
    np.exp(planes, out=planes)
    total = planes.sum(axis=0)
    if not np.isfinite(total).all():
        # What a network does not know, its neighbours may: a NaN would spread to them.
        planes[:, ~np.isfinite(total)] = 1
        total = planes.sum(axis=0)
    planes /= total
    image = resize(image, total.shape)
    refined = np.maximum(refiner.refine(image, planes), _LEAST_PROBABILITY)
    np.log(refined, out=refined)
    turned = cv2.transpose(refined.reshape(classes, -1))
    return np.asarray(turned, np.float32).reshape(height, width, classes)
