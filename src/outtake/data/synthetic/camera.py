"""A handheld camera that pans along the backdrop: one affine map per frame, in fixed point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame, LabelMap
from outtake.data.synthetic.rng import Rng, cosine, sine
from outtake.data.synthetic.scene_layout import ZOOM_MAX, ZOOM_MIN, SceneLayout

_ONE = 1 << 16  # fixed point: 2^-16 of a pixel


@dataclass(frozen=True)
class CameraView:
    """The view of one frame. Positions are fixed point, 2^-16 of a backdrop pixel.

    Attributes:
        along: The step in x of one frame pixel to the right, and in y of one down, times 2^15.
        across: The step in y of one frame pixel to the right, and in -x of one down, times 2^15.
        centre_x: The column of the frame's centre in the backdrop, not reduced by the period.
        centre_y: The row of the frame's centre in the backdrop.
    """

    along: int
    across: int
    centre_x: int
    centre_y: int

    def pixel_positions(self, layout: SceneLayout) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the backdrop position of every frame pixel's centre, int64 (H, W) each."""
        # Twice the offset from the frame's centre is an integer for odd and even sizes alike.
        u = 2 * np.arange(layout.width, dtype=np.int64) + (1 - layout.width)
        v = 2 * np.arange(layout.height, dtype=np.int64)[:, None] + (1 - layout.height)
        x = (self.along * u + self.centre_x) - self.across * v
        y = self.across * u + (self.along * v + self.centre_y)
        return x, y

    def to_frame(self, x: float, y: float, layout: SceneLayout) -> tuple[float, float]:
        """Return the frame column and row of a backdrop position, both in pixels."""
        a, b = self.along / (_ONE / 2), self.across / (_ONE / 2)
        dx, dy = x - self.centre_x / _ONE, y - self.centre_y / _ONE
        square = a * a + b * b
        column = (a * dx + b * dy) / square + layout.width / 2
        row = (a * dy - b * dx) / square + layout.height / 2
        return column, row

    @property
    def zoom(self) -> float:
        """Frame pixels per backdrop pixel."""
        return (_ONE / 2) / self.along


class Camera:
    """The path of a camera: a steady pan, breathing zoom, slow roll and a hand's tremor."""

    def __init__(self, layout: SceneLayout, rng: Rng) -> None:
        self._layout = layout
        self._start = rng.uniform(0.0, layout.period_px)
        side = 1.0 if rng.bernoulli(0.5) else -1.0
        self._pan = side * rng.uniform(0.0040, 0.0068) * layout.width
        self._waves = [(rng.uniform(0.8, 1.2), rng.random()) for _ in range(7)]

    def _wave(self, index: int, frames: float, t: int) -> float:
        rate, phase = self._waves[index]
        return sine(t * rate / frames + phase)

    def view_at(self, t: int) -> CameraView:
        """Return the view of frame ``t``."""
        layout = self._layout
        hand = 0.0035 * layout.unit_px
        x = self._start + self._pan * t
        x += hand * (self._wave(0, 37.0, t) + 0.35 * self._wave(1, 11.0, t))
        y = layout.backdrop_height / 2
        y += hand * (self._wave(2, 43.0, t) + 0.3 * self._wave(3, 13.0, t))
        middle, swing = (ZOOM_MAX + ZOOM_MIN) / 2, (ZOOM_MAX - ZOOM_MIN) / 2
        scale = 1.0 / (middle + swing * self._wave(4, 150.0, t))
        roll = 0.0006 * (self._wave(5, 61.0, t) + 0.3 * self._wave(6, 19.0, t))
        return CameraView(
            along=_to_fixed_point(0.5 * scale * cosine(roll)),
            across=_to_fixed_point(0.5 * scale * sine(roll)),
            centre_x=_to_fixed_point(x),
            centre_y=_to_fixed_point(y),
        )


class Backdrop:
    """A backdrop that is packed to be rendered through any view.

    Args:
        image: The backdrop, uint8 (h, period, 3).
        labels: The classes of its pixels, uint8 (h, period).
        layout: The sizes of the scene.
    """

    def __init__(self, image: Frame, labels: LabelMap, layout: SceneLayout) -> None:
        self._layout = layout
        self._period = image.shape[1]
        reach = int(1.1 * layout.width / ZOOM_MIN) + 16
        columns = np.arange(self._period + reach) % self._period
        wide = np.take(image, columns, axis=1).astype(np.uint64)
        # Three 20-bit lanes: one product weighs red, green and blue at once (8 + 6 + 6 bits each).
        packed = wide[..., 0] | wide[..., 1] << np.uint64(20) | wide[..., 2] << np.uint64(40)
        self._packed = np.ascontiguousarray(packed)
        self._labels = np.ascontiguousarray(np.take(labels, columns, axis=1))

    @property
    def bytes_held(self) -> int:
        """The memory that it takes."""
        return self._packed.nbytes + self._labels.nbytes

    def render(self, view: CameraView) -> tuple[Frame, LabelMap]:
        """Return the frame (bilinear) and its classes (nearest) as a view shows them."""
        x, y = view.pixel_positions(self._layout)
        x -= _ONE // 2
        y -= _ONE // 2
        first = int(x.min()) >> 16
        x -= (first // self._period * self._period) << 16
        return self._bilinear(x, y), self._nearest(x, y)

    def _nearest(self, x: NDArray[np.int64], y: NDArray[np.int64]) -> LabelMap:
        half = _ONE // 2
        index = ((y + half) >> 16) * self._labels.shape[1] + ((x + half) >> 16)
        labels: LabelMap = np.take(self._labels, index)
        return labels

    def _bilinear(self, x: NDArray[np.int64], y: NDArray[np.int64]) -> Frame:
        stride = self._packed.shape[1]
        index = (y >> 16) * stride + (x >> 16)
        fx = ((x >> 10) & 63).view(np.uint64)
        fy = ((y >> 10) & 63).view(np.uint64)
        gx, gy = np.uint64(64) - fx, np.uint64(64) - fy
        flat = self._packed.reshape(-1)
        top = np.take(flat, index) * gx + np.take(flat[1:], index) * fx
        low = np.take(flat[stride:], index) * gx + np.take(flat[stride + 1 :], index) * fx
        half = np.uint64(2048 | 2048 << 20 | 2048 << 40)
        lanes = top * gy + low * fy + half
        image = np.empty((*index.shape, 3), np.uint8)
        for channel in range(3):
            # The cast to uint8 keeps the low eight bits, which drops the lanes above.
            image[..., channel] = (lanes >> np.uint64(12 + 20 * channel)).astype(np.uint8)
        return image


def _to_fixed_point(value: float) -> int:
    return int(value * _ONE + (0.5 if value >= 0 else -0.5))
