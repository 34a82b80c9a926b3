"""Confidence intervals of scores: percentile bootstrap (Efron 1979) over independent units.

Units are drawn with replacement, as many as there are, and the score of each such draw is computed
anew; the middle of those scores is the interval. A unit is a recording, or an image: pixels of one
image, and images of one recording, are not independent of each other, see
:mod:`outtake.evaluation.sampling_units`.

Percentiles of few units are too narrow. More of the draws lie in the interval then, as many as make
that of a mean as wide as Student's (Hesterberg 2015, expanded percentile).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

Floats = NDArray[np.float64]
Interval = tuple[float, float]

MIN_UNITS = 5  # of fewer, the draws say next to nothing

_BLOCK_VALUES = 4_000_000


@dataclass(frozen=True)
class Bootstrap:
    """How units are drawn.

    Attributes:
        resamples: The number of draws.
        level: How often the interval is to hold the truth.
        seed: The seed of the draws; two calls with one seed and as many units draw the same.
    """

    resamples: int = 2000
    level: float = 0.95
    seed: int = 0

    def resample_scores(self, per_unit: Floats, score: Callable[[Floats], Floats]) -> Floats:
        """Return the score of each draw.

        Args:
            per_unit: The values that are summed over the units drawn, (units, ...); counts up to
                2^53 are summed exactly.
            score: Maps sums (draws, ...) to scores (draws, ...).
        """
        flat = np.ascontiguousarray(per_unit, np.float64).reshape(len(per_unit), -1)
        shape = per_unit.shape[1:]
        parts = [
            score((times @ flat).reshape(len(times), *shape))
            for times in self._draw_counts(len(flat))
        ]
        return np.concatenate(parts)

    def interval(self, values: Floats, units: int) -> Interval:
        """Return the middle of the scores of the draws; NaN draws do not count.

        Args:
            values: The scores, (draws,).
            units: The number of units that tell something of the score: of one class, those that
                hold it. With fewer than :data:`MIN_UNITS` both ends are NaN.
        """
        defined = values[~np.isnan(values)]
        if units < MIN_UNITS or not len(defined):
            return float("nan"), float("nan")
        within = stdtrit(units - 1, (1 + self.level) / 2) * math.sqrt(units / (units - 1))
        outside = float(ndtr(-within))
        low, high = np.quantile(defined, [outside, 1 - outside])
        return float(low), float(high)

    def _draw_counts(self, units: int) -> Iterator[Floats]:
        """Yield how often each unit was drawn, float64 (draws, units), block by block."""
        rng = np.random.default_rng(self.seed)
        shares = np.full(units, 1 / units)
        left = self.resamples
        while left:
            size = min(left, max(_BLOCK_VALUES // units, 1))
            yield rng.multinomial(units, shares, size).astype(np.float64)
            left -= size
