"""What augmentation makes black or white, so that nothing of it is left to learn from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame
from outtake.data.dataset import SegmentationDataset
from outtake.data.source import warn_of_data

_DRAWS, _LEAST_DRAWS = 24, 4
_MAX_PIXELS = 20_000_000  # a second or two
_BLACK, _WHITE = 3, 252  # the noise of a step leaves a few grey levels
_MAX_SHARE = 0.1


def measure_clipping(dataset: SegmentationDataset, ignore_index: int) -> float:
    """Return how much larger the share of black and white labelled pixels is after augmentation.

    It is measured on 24 draws of samples that are spread over the split, as training draws them, or
    on as many as have 20 megapixels, at least four. Channels behind the third do not count.

    Args:
        dataset: The augmented samples of a split; at least one.
        ignore_index: The label of pixels that are not trained on.
    """
    first, _ = dataset.load(0)
    draws = int(np.clip(_MAX_PIXELS // first[..., 0].size, _LEAST_DRAWS, _DRAWS))
    places = np.linspace(0, len(dataset) - 1, min(draws, len(dataset))).round().astype(int)
    shares = []
    for index in map(int, places):
        image, mask = dataset.load(index)
        labels = mask if mask.ndim == 2 else mask[..., 0]
        before = _clipped_share(image, labels != ignore_index)
        for epoch in range(draws // len(places)):
            drawn = dataset[epoch, index]
            changed = drawn["image"].numpy().transpose(1, 2, 0)
            after = _clipped_share(changed, drawn["mask"].numpy() != ignore_index)
            shares.append(after - before)
    return max(0.0, float(np.mean(shares)))


def warn_of_clipping(dataset: SegmentationDataset, ignore_index: int) -> None:
    """Warn where augmentation takes more than a tenth of what the labels are about."""
    share = measure_clipping(dataset, ignore_index)
    if share > _MAX_SHARE:
        warn_of_data(
            f"augment.steps make {100 * share:.0f}% of the labelled pixels black or white, and "
            "nothing can be learnt there; lower their limits, and look at `outtake preview`"
        )


def _clipped_share(image: Frame, labelled: NDArray[np.bool_]) -> float:
    shown = image[..., :3]
    darkest, lightest = shown.min(-1), shown.max(-1)
    clipped = (lightest <= _BLACK) | (darkest >= _WHITE)
    return float(np.mean(clipped[labelled])) if labelled.any() else 0.0
