"""Pixels of one look vote: the probabilities of superpixels, of several sizes, in the mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from outtake.core.errors import ConfigError
from outtake.core.types import Frame
from outtake.core.validate import check_number
from outtake.refine.refiner import Probabilities
from outtake.refine.superpixels import watershed


class RegionVote:
    """Averages probabilities within superpixels of several sizes, and with the network's own.

    Superpixels of one size have errors of their own, larger than those of a good network; in the
    mean they cancel.

    Args:
        regions: How many superpixels a picture is divided into; a vote for each number.
        own: The weight of the network's own probabilities; that of each vote is 1.

    Raises:
        ConfigError: A number that cannot work.
    """

    def __init__(self, regions: Sequence[int] = (300, 800, 2000), own: float = 1) -> None:
        if isinstance(regions, str) or not isinstance(regions, Sequence) or not regions:
            raise ConfigError(f"refine.regions={regions}: give numbers, as in [300,800,2000]")
        for each in regions:
            check_number("refine.regions", each, 1, whole=True)
        check_number("refine.own", own, 0)
        self._regions = tuple(regions)
        self._own = np.float32(own)

    def refine(self, image: Frame, probabilities: Probabilities) -> Probabilities:
        """Return the mean; see :class:`outtake.refine.refiner.Refiner`."""
        total = self._own * probabilities
        for count in self._regions:
            total += watershed(image, count).vote(probabilities)
        total /= self._own + np.float32(len(self._regions))
        return np.asarray(total, np.float32)
