"""Several networks as one: the mean of their probabilities (Lakshminarayanan et al. 2017).

Probabilities are averaged and not logits: logits have a scale of their own in every training, and
the network with the largest would outvote the others however often it is wrong. In their mean
each has one vote of the same weight in every pixel, and the mean is a probability again, which
thresholds and calibration can use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from outtake.data.resize import resize_short_side
from outtake.inference.protocol import Images, Logits, Network
from outtake.inference.tta import resize_logits

# The logarithm of a probability that float32 has rounded to 0.
_LEAST_PROBABILITY = np.float32(1e-30)


@dataclass(frozen=True)
class EnsembleMember:
    """One of several networks.

    Attributes:
        network: The network.
        short_side: The shorter side of the images that it was trained to see; None for images as
            they are.
    """

    network: Network
    short_side: int | None


class NetworkEnsemble:
    """Runs several networks, each at its own resolution, and averages their probabilities.

    Args:
        members: The networks, all of the same classes.

    Attributes:
        network: The first network.
    """

    def __init__(self, members: Sequence[EnsembleMember]) -> None:
        self._members = tuple(members)
        self.network = self._members[0].network

    def __call__(self, images: Images) -> Logits:
        """Return the logarithm of the mean probability, float32 (B, h, w, classes).

        Its softmax is that mean. It has the resolution of the member that sees most.

        Args:
            images: uint8 (B, H, W, C), at least of the size that the members see.
        """
        parts = [self._probabilities(member, images) for member in self._members]
        height = max(part.shape[1] for part in parts)
        width = max(part.shape[2] for part in parts)
        total = resize_logits(parts[0], (height, width))
        for part in parts[1:]:
            total = total + resize_logits(part, (height, width))
        mean = total / np.float32(len(parts))
        found: Logits = np.log(np.maximum(mean, _LEAST_PROBABILITY))
        return found

    @staticmethod
    def _probabilities(member: EnsembleMember, images: Images) -> Logits:
        seen = [resize_short_side(image, member.short_side) for image in images]
        return softmax(member.network(np.stack(seen)))


def softmax(logits: Logits) -> Logits:
    """Return the probabilities of logits (..., classes), of the same shape."""
    planes = np.array(np.moveaxis(logits, -1, 0), np.float32, order="C")
    planes -= planes.max(axis=0)
    np.exp(planes, out=planes)
    planes /= planes.sum(axis=0)
    return np.ascontiguousarray(np.moveaxis(planes, 0, -1))
