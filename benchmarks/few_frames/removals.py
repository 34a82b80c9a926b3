"""What masks of a network cost a removal: the same remover with them and with the true masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from benchmarks.removal.scores import psnr, squared_error
from outtake.core.frames import MaskedFrame
from outtake.core.types import Frame, LabelMap, Mask, TimedFrame
from outtake.masking.policy import MaskPolicy
from outtake.removal.clean_plate.remover import CleanPlate


@dataclass(frozen=True)
class RemovalScores:
    """PSNR on the union of the true and the found masks, both grown, over all frames together.

    Attributes:
        apart_db: One result against the other.
        true_db: With the true masks, against what is behind the object; None if nobody knows that.
        found_db: With the found masks, likewise.
    """

    apart_db: float
    true_db: float | None
    found_db: float | None

    def line(self) -> str:
        """Return it in words."""
        if self.true_db is None or self.found_db is None:
            return f"removal: {self.apart_db:.1f} dB from that with true masks"
        return f"removal: {self.found_db:.1f} dB, with true masks {self.true_db:.1f}"


def compare_removals(
    frames: Sequence[Frame],
    truth: Sequence[Mask],
    found: Sequence[LabelMap],
    ids: tuple[int, ...],
    behind: Sequence[Frame] | None,
) -> RemovalScores:
    """Remove an object twice and compare, in the frames that show it.

    Args:
        frames: The clip.
        truth: The true masks.
        found: The labels of a network.
        ids: The classes that are removed.
        behind: The frames without the object, if they are known.
    """
    policy, own = MaskPolicy(ids, vote=0), MaskPolicy((1,), vote=0)
    grown = (
        [policy.mask(labels) for labels in found],
        [own.mask(mask.astype(np.uint8)) for mask in truth],
    )
    results = [[filled for filled in _remove(frames, masks)] for masks in grown]
    unions = [one | other for one, other in zip(*grown, strict=True)]
    places = [place for place, union in enumerate(unions) if union.any()]

    def score(one: Sequence[Frame], other: Sequence[Frame]) -> float:
        return psnr([squared_error(one[i], other[i], unions[i]) for i in places])

    apart = score(*results)
    if behind is None:
        return RemovalScores(apart, None, None)
    return RemovalScores(apart, score(behind, results[1]), score(behind, results[0]))


def _remove(frames: Sequence[Frame], masks: Sequence[Mask]) -> Iterator[Frame]:
    items = (
        MaskedFrame(TimedFrame(frame, number, Fraction(1, 25)), mask, number=number)
        for number, (frame, mask) in enumerate(zip(frames, masks, strict=True))
    )
    for filled in CleanPlate()(items):
        yield filled.frame.image
