"""What augmentation makes black or white, so that little of it is left to learn from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame
from outtake.data.crop import first_map
from outtake.data.dataset import SegmentationDataset
from outtake.data.further_inputs import count_channels, get_further_inputs
from outtake.data.source import SegmentationSource, warn_of_data

_DRAWS, _LEAST_DRAWS = 24, 4
_MAX_PIXELS = 20_000_000  # a second or two
_BLACK, _WHITE = 3, 252  # the noise of a step leaves a few grey levels
_MAX_SHARE = 0.1


def measure_clipping(
    dataset: SegmentationDataset, source: SegmentationSource, indices: Sequence[int], epochs: int
) -> float:
    """Return how much larger the share of black and white labelled pixels is after augmentation.

    Further inputs do not count, nor channels behind the third. What covers places on purpose, such
    as CoarseDropout, does.

    Args:
        dataset: The augmented samples of a split.
        source: The data set that they are from.
        indices: The samples that are measured, at least one.
        epochs: How many epochs draw each of them, at least one.
    """
    ignored = source.labels.ignore_index
    channels = min(3, source.channels - count_channels(get_further_inputs(source)))
    shares = []
    for index in indices:
        image, mask = dataset.get(index)
        before = _clipped_share(image[..., :channels], first_map(mask) != ignored)
        for epoch in range(epochs):
            drawn = dataset[epoch, index]
            changed = drawn["image"].numpy().transpose(1, 2, 0)[..., :channels]
            shares.append(_clipped_share(changed, drawn["mask"].numpy() != ignored) - before)
    return max(0.0, float(np.mean(shares)))


def warn_of_clipping(dataset: SegmentationDataset, source: SegmentationSource) -> None:
    """Warn where augmentation takes more than a tenth of what the labels are about.

    It is measured on 24 draws of samples that are spread over the split, or on as many as have 20
    megapixels, at least four.
    """
    height, width = dataset.get(0)[0].shape[:2]
    draws = int(np.clip(_MAX_PIXELS // (height * width), _LEAST_DRAWS, _DRAWS))
    spread = np.linspace(0, len(dataset) - 1, min(draws, len(dataset))).round()
    share = measure_clipping(dataset, source, [int(i) for i in spread], draws // len(spread))
    if share > _MAX_SHARE:
        warn_of_data(
            f"augment.steps make {100 * share:.0f}% of the labelled pixels black or white, and "
            "little can be learnt there; lower their limits, and look at `outtake preview`"
        )


def _clipped_share(image: Frame, labelled: NDArray[np.bool_]) -> float:
    darkest, lightest = image.min(-1), image.max(-1)
    clipped = (lightest <= _BLACK) | (darkest >= _WHITE)
    return float(np.mean(clipped[labelled])) if labelled.any() else 0.0
