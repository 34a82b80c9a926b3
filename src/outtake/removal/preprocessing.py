"""Pictures on their way to a network and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypedDict, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import ConfigError
from outtake.core.mask_regions import split_regions
from outtake.core.types import Frame, Mask
from outtake.core.validate import check_number, is_number
from outtake.removal.per_frame import contiguous_copy

Floats = NDArray[np.float32]
T = TypeVar("T", np.uint8, np.float32)
_GREY = 128
_MIN_MARGIN_PX = 16
_MAX_SIDE_PX = 8192


class PreprocessingOptions(TypedDict, total=False):
    """The fields of :class:`Pixels`."""

    value_range: Sequence[float]
    output_range: Sequence[float] | None
    channel_order: str
    mask_values: Sequence[float]
    multiple_of: int
    size: int | Sequence[int] | None
    max_side_px: int | None
    margin: float


@dataclass(frozen=True)
class Preprocessing:
    """The input and output format of an inpainting network.

    Attributes:
        value_range: Black and white of the image, such as (0, 1), (-1, 1) or (0, 255).
        output_range: Black and white of the result; None for those of the image.
        channel_order: ``rgb`` or ``bgr``.
        mask_values: The values of the mask where the image is known, and where it is filled.
        multiple_of: The number that divides height and width after padding by mirroring.
        size: The only side or (height, width) that the network takes; crops are scaled to it.
        max_side_px: The side to which larger crops are reduced; None never reduces.
        margin: The margin around the hole that the network sees, as a fraction of the frame's
            height.

    Raises:
        ConfigError: A value is out of its range.
    """

    value_range: Sequence[float] = (0.0, 1.0)
    output_range: Sequence[float] | None = None
    channel_order: str = "rgb"
    mask_values: Sequence[float] = (0.0, 1.0)
    multiple_of: int = 8
    size: int | Sequence[int] | None = None
    max_side_px: int | None = None
    margin: float = 0.2

    def __post_init__(self) -> None:
        for name in ("value_range", "output_range", "mask_values"):
            _check_pair(name, getattr(self, name), optional=name == "output_range")
        if self.channel_order not in ("rgb", "bgr"):
            raise ConfigError(f"remover.channel_order={self.channel_order}: must be rgb or bgr")
        check_number("remover.multiple_of", self.multiple_of, 1, _MAX_SIDE_PX, whole=True)
        check_number(
            "remover.max_side_px", self.max_side_px, 1, _MAX_SIDE_PX, whole=True, optional=True
        )
        _check_size(self.size)
        check_number("remover.margin", self.margin, 0, 2)

    def fill(
        self, image: Frame, mask: Mask, run_network: Callable[[Floats, Floats], Floats]
    ) -> Frame:
        """Return a copy of an RGB image with its hole filled, region by region.

        Args:
            image: The image, uint8 (H, W, 3).
            mask: The mask, bool (H, W).
            run_network: The network: image (1, 3, h, w) and mask (1, 1, h, w) to an image.
        """
        filled = contiguous_copy(image)
        if mask.all():
            filled[:] = _GREY
            return filled
        margin_px = max(_MIN_MARGIN_PX, round(self.margin * image.shape[0]))
        for crop, own in split_regions(mask, margin_px):
            fill = self._fill_crop(image[crop], mask[crop], run_network)
            filled[crop][own] = fill[own]
        return filled

    def _fill_crop(
        self, image: Frame, mask: Mask, run_network: Callable[[Floats, Floats], Floats]
    ) -> Frame:
        height, width = mask.shape
        rows, columns = self._working_size(height, width)
        # A scaled pixel that covers any hidden pixel counts as hidden.
        unknown = _resize(mask.astype(np.float32), rows, columns) > 0
        black, white = self.value_range
        values = _resize(np.ascontiguousarray(image), rows, columns).astype(np.float32)
        values = np.asarray(values / 255 * (white - black) + black, np.float32)
        values[unknown] = np.clip(0, min(black, white), max(black, white))
        if self.channel_order == "bgr":
            values = values[..., ::-1]
        known_value, hole_value = self.mask_values
        holes = np.where(unknown, np.float32(hole_value), np.float32(known_value))
        fill = run_network(self._to_nchw(values), self._to_nchw(holes[..., None]))[0]
        fill = fill.transpose(1, 2, 0)[:rows, :columns]
        black, white = self.output_range or self.value_range
        fill = np.clip(np.rint((fill - black) / (white - black) * 255), 0, 255).astype(np.uint8)
        if self.channel_order == "bgr":
            fill = fill[..., ::-1]
        return _resize(np.ascontiguousarray(fill), height, width)

    def _fixed_size(self) -> Sequence[int]:
        return (self.size, self.size) if isinstance(self.size, int) else list(self.size or ())

    def _working_size(self, height: int, width: int) -> tuple[int, int]:
        if self.size is not None:
            rows, columns = self._fixed_size()
            return rows, columns
        scale = min(1.0, (self.max_side_px or max(height, width)) / max(height, width))
        return max(1, round(height * scale)), max(1, round(width * scale))

    def _to_nchw(self, values: Floats) -> Floats:
        """Return (1, C, h, w), padded."""
        side = 1 if self.size is not None else self.multiple_of
        down, right = (-length % side for length in values.shape[:2])
        padded = np.pad(values, ((0, down), (0, right), (0, 0)), mode="symmetric")
        return np.ascontiguousarray(padded.transpose(2, 0, 1)[None], np.float32)


def _check_pair(name: str, value: object, *, optional: bool) -> None:
    if value is None and optional:
        return
    pair = list(value) if isinstance(value, list | tuple) else [value]
    if len(pair) != 2 or not all(map(is_number, pair)) or pair[0] == pair[1]:
        raise ConfigError(
            f"remover.{name}={pair if len(pair) != 1 else value}: must be two different numbers, "
            f"as in [0,1]{', or null' if optional else ''}"
        )


def _check_size(value: object) -> None:
    if value is None:
        return
    sides = list(value) if isinstance(value, list | tuple) else [value, value]
    if len(sides) != 2 or not all(
        isinstance(side, int) and not isinstance(side, bool) and 1 <= side <= _MAX_SIDE_PX
        for side in sides
    ):
        raise ConfigError(
            f"remover.size={value}: must be one side, [height,width] or null; a side is a whole "
            f"number of 1 to {_MAX_SIDE_PX}"
        )


def _resize(values: NDArray[T], rows: int, columns: int) -> NDArray[T]:
    height, width = values.shape[:2]
    if (height, width) == (rows, columns):
        return values
    shrinks = rows <= height and columns <= width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(values, (columns, rows), interpolation=method))
