"""The arrays that the parts of Outtake pass to each other.

========== ==========================================================================
Frame      uint8 (H, W, C), RGB where C is 3. BGR exists only inside calls to OpenCV.
LabelMap   uint8 (H, W), class ids; the label space's ignore index (255) is "unlabelled".
Mask       bool (H, W), True where something is to be removed.
MaskBlocks uint8 (h, w), 1 for blocks of 4 x 4 pixels that hold some of a Mask.
Crop       the rows and columns of a part of a picture.
Batch      ``image`` uint8 (B, C, h, w) at network resolution; ``mask`` (B, H, W).
TimedFrame a Frame with the time at which it is shown: time is passed on, never recounted.
========== ==========================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NotRequired, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Frame: TypeAlias = NDArray[np.uint8]
LabelMap: TypeAlias = NDArray[np.uint8]
Mask: TypeAlias = NDArray[np.bool_]
MaskBlocks: TypeAlias = NDArray[np.uint8]
Crop: TypeAlias = tuple[slice, slice]


class UnlabelledBatch(TypedDict):
    """The images without labels in a batch of training, each augmented once and then V times more.

    ``image`` is uint8 (B, C, h, w), ``valid`` bool (B, h, w): where it is not padding. ``strong``,
    where it is asked for, is uint8 (B, V, C, h, w): the same pixels in other colours. ``boxes`` is
    int64 (B, V, 4), the top, left, height and width of a rectangle, which is empty in some.
    """

    image: torch.Tensor
    valid: torch.Tensor
    strong: NotRequired[torch.Tensor]
    boxes: NotRequired[torch.Tensor]


class Batch(TypedDict):
    """One batch of a data loader.

    In training ``mask`` has the size of ``image``; in evaluation it keeps the label's own
    size, because that is where metrics are computed. ``further_masks`` are such label maps of other
    classes by their names, where the data have some. ``unlabelled`` is there in training that was
    given images without labels.
    """

    image: torch.Tensor
    mask: torch.Tensor
    index: torch.Tensor
    further_masks: NotRequired[dict[str, torch.Tensor]]
    unlabelled: NotRequired[UnlabelledBatch]


@dataclass(frozen=True, slots=True, eq=False)
class StoredPicture:
    """A decoded picture as its source stores it, beside the RGB that was made of it.

    Attributes:
        pix_fmt: FFmpeg's name of the pixel format, in planes, without alpha.
        planes: Luma and the two planes of chroma, uint8 or uint16, each of its own (h, w); or
            green, blue and red as linear light, float16 or float32.
        image: The RGB picture made of them, uint8 (H, W, 3): where a later picture equals it,
            the planes hold what that picture stands for.
        image16: The same with 16 bits; None where the frame has none.
        alpha: The transparency that the source stores, uint8 or uint16 (H, W) with all bits set for
            opaque, or float as an EXR has it; None without any. Nothing that is removed changes it.
        filled: Where something was removed, bool (H, W); None for nowhere. There the planes do not
            count, also where a later picture equals ``image``: several colours of the source, such
            as all that are blacker than black, have the same RGB.
    """

    pix_fmt: str
    planes: tuple[NDArray[Any], ...]
    image: Frame
    image16: NDArray[np.uint16] | None = None
    alpha: NDArray[Any] | None = None
    filled: Mask | None = None


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """One decoded frame.

    Attributes:
        image: The picture, uint8 (H, W, 3) RGB.
        pts: The presentation time in units of ``time_base``.
        time_base: Seconds per unit of ``pts``.
        image16: The same picture with 16 bits per component, uint16 (H, W, 3), full scale 65535,
            where the source has more than 8; None otherwise. All stages look at ``image``; the
            writer of a format with more than 8 bits uses this one.
        last_frame_duration: How long the last frame of a clip is shown, in units of
            ``time_base``; None where that is unknown, and for all other frames, which are shown
            until the next.
        stored: The picture as the source stores it, from which the writer copies what did not
            change; None where there is no such picture.
        further: What further clips show at this frame, uint8 (H, W, channels): the last channels
            of what the network sees; None where it sees the picture alone.
    """

    image: Frame
    pts: int
    time_base: Fraction
    image16: NDArray[np.uint16] | None = None
    last_frame_duration: int | None = None
    stored: StoredPicture | None = None
    further: Frame | None = None
