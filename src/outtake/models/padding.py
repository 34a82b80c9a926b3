"""Padding to a stride, so that a network takes any input size."""

from __future__ import annotations

import torch
from torch.nn import functional as F


def pad_to_stride(image: torch.Tensor, stride: int, min_side: int = 0) -> torch.Tensor:
    """Pad at the right and the bottom until height and width are multiples of ``stride``.

    The edge is repeated: zeros would put a dark border where there is none. ``image`` is
    (B, C, H, W) and any float dtype; crop the result to ``[..., :H, :W]`` to undo it. Neither
    side becomes smaller than ``min_side``, itself a multiple of ``stride``.
    """
    height, width = image.shape[-2:]
    bottom = max(-height % stride, min_side - height)
    right = max(-width % stride, min_side - width)
    if not (bottom or right):
        return image
    return F.pad(image, (0, right, 0, bottom), mode="replicate")
