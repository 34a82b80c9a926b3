"""How unsure a network is of some classes, from its logits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from outtake.inference.protocol import Logits

# As many pixels of a picture are looked at: the share is a mean over all of it.
_MAX_PIXELS = 16_384
# Where fewer of these have one of the classes, all pixels are looked at: a small object lies
# between most of them, or between all.
_MIN_AREA_PIXELS = 64


def uncertain_share(logits: Logits, ids: Sequence[int]) -> float | None:
    """Return the sum of min(p, 1 - p), over the number of pixels where p is above one half.

    p is the probability that a pixel has one of the classes. The share ranks frames like the truth
    does: where it is large, masks are wrong.

    Args:
        logits: float32 (h, w, classes).
        ids: The classes.

    Returns:
        The share, from 0 on; None if no pixel has one of the classes.
    """
    step = sampling_step(*logits.shape[:2])
    unsure, area = _measure(logits[::step, ::step], ids)
    if step > 1 and area < _MIN_AREA_PIXELS:
        unsure, area = _measure(logits, ids)
    return unsure / area if area else None


def _measure(logits: Logits, ids: Sequence[int]) -> tuple[float, int]:
    """Return the sum of min(p, 1 - p), and the number of pixels where p is above one half."""
    planes = np.array(np.moveaxis(logits, -1, 0), np.float32, order="C")
    planes -= planes.max(axis=0)
    np.exp(planes, out=planes)
    probability = planes[list(ids)].sum(axis=0) / planes.sum(axis=0)
    unsure = float(np.minimum(probability, 1 - probability).sum(dtype=np.float64))
    return unsure, int(np.count_nonzero(probability > 0.5))


def uncertain_shares(logits: torch.Tensor, ids: Sequence[int]) -> list[float | None]:
    """Return the same of each image of a batch, from logits (B, classes, H, W) on any device."""
    step = sampling_step(*logits.shape[2:])
    found = _measure_batch(logits[:, :, ::step, ::step], ids)
    for place, (_, area) in enumerate(found):
        if step > 1 and area < _MIN_AREA_PIXELS:
            (found[place],) = _measure_batch(logits[place : place + 1], ids)
    return [unsure / area if area else None for unsure, area in found]


def _measure_batch(logits: torch.Tensor, ids: Sequence[int]) -> list[tuple[float, float]]:
    probability = logits.float().softmax(dim=1)[:, list(ids)].sum(dim=1).clamp(0, 1)
    unsure = torch.minimum(probability, 1 - probability).sum(dim=(1, 2))
    area = (probability > 0.5).sum(dim=(1, 2))
    return [(each[0], each[1]) for each in torch.stack((unsure, area.float()), 1).cpu().tolist()]


def sampling_step(height: int, width: int) -> int:
    """Return the distance of the pixels that are looked at."""
    step = 1
    while (height // step) * (width // step) > _MAX_PIXELS:
        step += 1
    return step
