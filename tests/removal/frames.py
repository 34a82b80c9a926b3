"""Small masked frames for tests of single removers."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import cv2
import numpy as np

from outtake.core.frames import (
    OBSERVED,
    PROPAGATED,
    SYNTHESISED,
    FillStatistics,
    LabelledFrame,
    MaskedFrame,
)
from outtake.core.labels import LabelSpace
from outtake.core.types import TimedFrame
from outtake.removal.protocol import Remover

TIME_BASE = Fraction(1, 1000)
LABEL_SPACE = LabelSpace.from_names(("road", "car", "person"))


def masked_frame(
    time_ms: int, height: int = 40, width: int = 64, high_bit_depth: bool = False
) -> MaskedFrame:
    image = np.full((height, width, 3), 90, np.uint8)
    image16 = image.astype(np.uint16) * 257 + 3 if high_bit_depth else None
    mask = np.zeros((height, width), bool)
    mask[10:30, 20:50] = True
    return MaskedFrame(TimedFrame(image, time_ms, TIME_BASE, image16), mask)


def filled_frames(remover: Remover, clip: Iterable[MaskedFrame]) -> list[TimedFrame]:
    return [filled.frame for filled in remover(clip)]


def filled_frame(height: int = 120, width: int = 200) -> tuple[TimedFrame, FillStatistics]:
    origin = np.zeros((height, width), np.uint8)
    for row, where in enumerate((OBSERVED, PROPAGATED, SYNTHESISED)):
        origin[10 + 20 * row : 30 + 20 * row, 50:150] = where
    image = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    image16 = image.astype(np.uint16) * 257
    frame = TimedFrame(image, 9, Fraction(1, 30), image16)
    return frame, FillStatistics(0.5, 0.3, 0.2, origin=origin)


def picture(height: int, width: int) -> np.ndarray:
    noise = np.random.default_rng(height * width).integers(0, 255, (8, 8, 3), np.uint8)
    return np.ascontiguousarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC))


def masked(
    image: np.ndarray,
    mask: np.ndarray,
    pts: int = 7,
    *,
    high_bit_depth: bool = False,
    number: int | None = None,
    is_output: bool = True,
) -> MaskedFrame:
    image16 = image.astype(np.uint16) * 256 + 77 if high_bit_depth else None
    frame = TimedFrame(image, pts, TIME_BASE, image16)
    labelled = LabelledFrame(frame, mask.astype(np.uint8), LABEL_SPACE)
    return MaskedFrame(frame, mask, labelled, number, is_output)


def masks(height: int, width: int) -> dict[str, np.ndarray]:
    some = np.zeros((height, width), bool)
    some[height // 4 : height // 2, width // 3 : width // 2] = True
    corner = np.zeros((height, width), bool)
    corner[:3, -4:] = True
    corner[-1:, :1] = True
    scattered = np.random.default_rng(3).random((height, width)) < 0.1
    return {
        "empty": np.zeros((height, width), bool),
        "full": np.ones((height, width), bool),
        "region": some,
        "corners": corner,
        "scattered": scattered,
        "all but one": ~(np.arange(height * width).reshape(height, width) == width + 1),
    }
