"""Choose the samples of a pixel, and take their median."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.motion.warp import Points
from outtake.removal.clean_plate.alignment import Fit
from outtake.removal.clean_plate.frame_buffer import Held
from outtake.removal.clean_plate.hole_regions import Floats, Site
from outtake.removal.clean_plate.tiles import known_in, look

# Residuals this close are the same: noise decides which of them is the smaller.
_SAME_GREY = 0.15
# Samples are whole numbers of this part of a grey level, and one that is none sorts behind all.
FINE = 32
_LATER = np.int16(32767)
# So many more samples are taken of cells that frames show in part.
_EXTRA = 4


@dataclass(frozen=True, slots=True)
class Choice:
    """Which references are good enough.

    Attributes:
        samples: at most this many are taken for each pixel.
        tolerance: a reference may have this many times the residual of the best that sees the
            pixel.
        max_error: and never more than this, in grey levels,
        max_share: nor more than this share of the ring's standard deviation.
        always: a residual as small as this is fine on any ring.
    """

    samples: int = 5
    tolerance: float = 1.2
    max_error: float = 12.0
    max_share: float = 0.6
    always: float = 4.0

    def limit(self, site: Site) -> float:
        """Return the largest residual of a usable reference."""
        return min(self.max_error, max(self.max_share * site.contrast, self.always))

    def usable(self, site: Site, fit: Fit) -> NDArray[np.intp]:
        """Return the usable references of a fit, the best first."""
        return fit.order[fit.trusted[fit.order] <= self.limit(site)]

    def within(self, score: Floats) -> Floats:
        """Return the largest residual that is as good as that of the best."""
        return np.asarray(score * self.tolerance + _SAME_GREY, np.float32)

    def chosen(
        self, whole: NDArray[np.bool_], partly: NDArray[np.bool_], scores: Floats
    ) -> NDArray[np.bool_]:
        """Choose references for cells, (references, k), the best first.

        One that sees a part of a cell is an extra: of no use for the other pixels.
        """
        best = scores[(whole | partly).argmax(axis=0)]
        plenty = (whole & (scores[:, None] <= self.within(best))).sum(axis=0) >= self.samples
        partly = partly & ~plenty
        first = np.where(whole.any(axis=0), whole.argmax(axis=0), partly.argmax(axis=0))
        limits = self.within(scores[first])
        seen = whole | partly
        enough = whole.cumsum(axis=0, dtype=np.int16) - whole >= self.samples
        slots = seen.cumsum(axis=0, dtype=np.int16) <= self.samples + _EXTRA
        return np.asarray(seen & ~enough & slots & (scores[:, None] <= limits))


@dataclass(frozen=True, slots=True)
class Scout:
    """Looks cells up in the frames that were chosen for them.

    Attributes:
        side: of the cells, in pixels.
        at: where their centres lie in the frames, (frames, k, 2).
        bend: how they are bent, (frames, k, 2, 2).
        chosen: which frames are looked at, (frames, k).
        fit: how well references predict the site.
        frames: the best first.
    """

    side: int
    at: Points
    bend: Floats
    chosen: NDArray[np.bool_]
    fit: Fit
    frames: Sequence[Held]

    def median(
        self, some: NDArray[np.intp], order: NDArray[np.intp], exact: Choice | None
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the colours of some cells, and where they are known.

        Args:
            some: indices of the cells.
            order: of the references that the frames belong to.
            exact: what decides for each pixel which samples are good enough, where frames show
                parts of cells.
        """
        chosen = self.chosen[:, some]
        slots = chosen.cumsum(axis=0, dtype=np.int16) - 1
        shape = (max(1, int(slots[-1].max()) + 1), len(some), self.side**2)
        samples = np.full((*shape, 3), _LATER, np.int16)
        limits = np.full(shape[1:], np.inf, np.float32)
        for row in np.flatnonzero(chosen.any(axis=1)).tolist():
            now = np.flatnonzero(chosen[row])
            at, bend = self.at[row, some[now]], self.bend[row, some[now]]
            held, index = self.frames[row], order[row]
            found = corrected(look(held.image, at, bend, self.side), self.fit, index)
            if exact is not None:
                score = self.fit.scores[index]
                seen = known_in(held.known, at, bend, self.side) & (limits[now] >= score)
                limit = np.minimum(limits[now], exact.within(score))
                limits[now] = np.where(seen, limit, limits[now])
                found[~seen] = _LATER
            samples[slots[row, now], now] = found
        if exact is None:
            counts = np.repeat(slots[-1, :, None] + 1, shape[2], axis=1)
        else:
            counts = np.count_nonzero(samples[..., 0] != _LATER, axis=0)
        return middle(samples, counts, exact is not None), counts > 0


def corrected(colours: NDArray[np.uint8], fit: Fit, index: int) -> NDArray[np.int16]:
    """Bring a reference's colours to the frame's exposure, in parts of a grey level."""
    levels = np.arange(256, dtype=np.float32)[:, None]
    table = np.rint((levels * fit.gains[index] + fit.offsets[index]) * FINE)
    return np.asarray(cv2.LUT(colours, table.astype(np.int16)[:, None]), np.int16)


def middle(samples: NDArray[np.int16], counts: NDArray[np.integer], mixed: bool) -> Floats:
    """Return the median along the first axis of the first ``counts`` entries.

    Args:
        samples: (depth, k, n, 3), larger than any sample where there is none. Is overwritten.
        counts: how many there are, (k, n); where it is 0, the result means nothing.
        mixed: whether they differ within the k.

    Returns:
        In grey levels, float32 (k, n, 3).
    """
    depth = len(samples)
    for turn in range(depth):
        for low in range(turn % 2, depth - 1, 2):
            smaller = np.minimum(samples[low], samples[low + 1])
            np.maximum(samples[low], samples[low + 1], out=samples[low + 1])
            samples[low] = smaller
    below, above = np.maximum(counts - 1, 0) // 2, np.minimum(counts // 2, depth - 1)
    rows = np.arange(samples.shape[1])
    if mixed:
        rows, columns = np.ogrid[: samples.shape[1], : samples.shape[2]]
        total = np.asarray(samples[below, rows, columns], np.float32)
        total += samples[above, rows, columns]
    else:
        total = np.asarray(samples[below[:, 0], rows], np.float32)
        total += samples[above[:, 0], rows]
    total *= np.float32(0.5 / FINE)
    return total
