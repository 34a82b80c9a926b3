"""Confidence intervals of scores: percentile bootstrap over images (Efron 1979).

Images are drawn with replacement, as many as there are, and the score of each such draw is
computed anew; the middle 95% of those scores is the interval. Images are drawn and not pixels,
because the pixels of one image are not independent of each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Interval = tuple[float, float]

_BLOCK_VALUES = 4_000_000


@dataclass(frozen=True)
class Bootstrap:
    """How images are drawn.

    Attributes:
        resamples: The number of draws.
        level: The share of the draws that lies in the interval.
        seed: The seed of the draws; two calls with one seed and as many images draw the same.
    """

    resamples: int = 2000
    level: float = 0.95
    seed: int = 0

    def resample_scores(self, per_image: Floats, score: Callable[[Floats], Floats]) -> Floats:
        """Return the score of each draw.

        Args:
            per_image: The values that are summed over the images drawn, (images, ...); counts up
                to 2^53 are summed exactly.
            score: Maps sums (draws, ...) to scores (draws, ...).
        """
        flat = np.ascontiguousarray(per_image, np.float64).reshape(len(per_image), -1)
        shape = per_image.shape[1:]
        parts = [
            score((times @ flat).reshape(len(times), *shape))
            for times in self._draw_counts(len(flat))
        ]
        return np.concatenate(parts)

    def interval(self, values: Floats) -> Interval:
        """Return the middle ``level`` of the scores of the draws; NaN draws do not count."""
        defined = values[~np.isnan(values)]
        if not len(defined):
            return float("nan"), float("nan")
        outside = (1 - self.level) / 2
        low, high = np.quantile(defined, [outside, 1 - outside])
        return float(low), float(high)

    def _draw_counts(self, images: int) -> Iterator[Floats]:
        """Yield how often each image was drawn, float64 (draws, images), block by block."""
        rng = np.random.default_rng(self.seed)
        shares = np.full(images, 1 / images)
        left = self.resamples
        while left:
            size = min(left, max(_BLOCK_VALUES // images, 1))
            yield rng.multinomial(images, shares, size).astype(np.float64)
            left -= size
