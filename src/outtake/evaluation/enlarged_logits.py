"""Logits enlarged to the labels' own size, a piece at a time: memory does not grow with the labels.

Enlarged logits of 150 classes take 600 bytes for each pixel, 7.2 GB for a picture of 12 megapixels.
Whoever scores looks at each pixel by itself, so they are made in stripes of rows, used and dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from outtake.models.deterministic_resize import deterministic_resizing

# A batch whose enlarged logits take no more is enlarged at once, and so is an image.
WHOLE_BYTES = 256 * 2**20
STRIPE_BYTES = 64 * 2**20
_LOGIT_BYTES = 4  # float32


@dataclass(frozen=True, eq=False)
class LogitsPiece:
    """The enlarged logits of a part of a batch.

    Attributes:
        images: Which images of the batch.
        rows: Which rows of them.
        logits: float (images, classes, rows, W).
    """

    images: slice
    rows: slice
    logits: torch.Tensor

    def of(self, maps: torch.Tensor) -> torch.Tensor:
        """Return the same part of maps (B, H, W)."""
        return maps[self.images, self.rows]


def group_images(images: int, classes: int, size: tuple[int, int]) -> list[slice]:
    """Divide a batch into groups that are scored at a time: all images, or one by one.

    Args:
        images: The number of images of the batch.
        classes: The number of classes.
        size: The (H, W) of the labels.
    """
    if images * classes * size[0] * size[1] * _LOGIT_BYTES <= WHOLE_BYTES:
        return [slice(0, images)]
    return [slice(place, place + 1) for place in range(images)]


def iter_predicted(
    predict: Callable[[torch.Tensor], torch.Tensor],
    images: torch.Tensor,
    classes: int,
    size: tuple[int, int],
) -> Iterator[tuple[slice, torch.Tensor]]:
    """Run a network on a batch, on one image after another where the labels are large.

    Args:
        predict: The network: uint8 (b, C, h, w) to logits, float (b, classes, h, w).
        images: uint8 (B, C, h, w).
        classes: The number of classes.
        size: The (H, W) of the labels.

    Yields:
        Which images of the batch, and their logits.
    """
    for some in group_images(len(images), classes, size):
        yield some, predict(images[some])


def iter_enlarged(logits: torch.Tensor, size: tuple[int, int]) -> Iterator[LogitsPiece]:
    """Enlarge logits bilinearly, a piece at a time.

    Pieces are whole groups of images where those are small. A larger image comes in stripes of
    rows, which depend on its size alone and not on the batch. They have the bits that torch gives
    to maps in NCHW order on a processor with fused multiply-add; elsewhere the last bit may differ.

    Args:
        logits: float (B, classes, h, w).
        size: The (H, W) of the labels.
    """
    for images in group_images(len(logits), int(logits.shape[1]), size):
        some = logits[images]
        if tuple(some.shape[-2:]) == size:
            yield LogitsPiece(images, slice(0, size[0]), some)
        elif _enlarged_bytes(logits, *size) <= WHOLE_BYTES:
            with deterministic_resizing(some):
                whole = F.interpolate(some, size=size, mode="bilinear", align_corners=False)
            yield LogitsPiece(images, slice(0, size[0]), whole)
        else:
            for rows, stripe in _iter_stripes(some.contiguous(), size):
                yield LogitsPiece(images, rows, stripe)


def _enlarged_bytes(logits: torch.Tensor, height: int, width: int) -> int:
    """Return the bytes of the enlarged logits of one image."""
    return int(logits.shape[1]) * height * width * logits.element_size()


def _iter_stripes(
    logits: torch.Tensor, size: tuple[int, int]
) -> Iterator[tuple[slice, torch.Tensor]]:
    """Enlarge along the width as torch does, then mix rows with the weights and rounding of torch.

    A stripe that torch enlarges by itself would have other weights in their last bits, because
    its rows are counted from another one.
    """
    height, width = size
    first, second, weight = _row_taps(int(logits.shape[-2]), height, logits.device)
    step = max(STRIPE_BYTES // _enlarged_bytes(logits, 1, width), 1)
    for start in range(0, height, step):
        rows = slice(start, min(start + step, height))
        top, bottom = int(first[rows.start]), int(second[rows.stop - 1]) + 1
        part = logits[:, :, top:bottom]
        with deterministic_resizing(part):
            wide = F.interpolate(
                part, size=(bottom - top, width), mode="bilinear", align_corners=False
            )
        below = weight[rows, None].to(wide.dtype)
        lower = wide.index_select(2, second[rows] - top).mul_(below)
        upper = wide.index_select(2, first[rows] - top)
        yield rows, torch.addcmul(lower, upper, (1 - below).expand_as(upper))


def _row_taps(
    length: int, new_length: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the two rows between which each new one lies, and the weight of the second."""
    scale = (torch.tensor(length, dtype=torch.float32) / new_length).double()
    # In double and rounded once, as a fused multiply-add of single precision does it.
    place = (scale * (torch.arange(new_length, dtype=torch.float64) + 0.5) - 0.5).float().clamp_(0)
    first = place.long().clamp_(max=length - 1)
    second = (first + 1).clamp_(max=length - 1)
    return first.to(device), second.to(device), (place - first).to(device)
