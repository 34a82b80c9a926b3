"""A picture with a class for every pixel, painted from back to front."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame, LabelMap
from outtake.data.synthetic.noise import fractal_noise
from outtake.data.synthetic.rng import Plane
from outtake.data.synthetic.scene_layout import Rgb, SceneLayout

Colours = NDArray[np.float32]
Slices = tuple[slice, slice]


def shade(plane: Plane, colour: Rgb) -> Colours:
    """Return a colour times a brightness plane, float32 (H, W, 3)."""
    out: Colours = plane[..., None] * np.array(colour, np.float32)
    return out


def blend(low: Rgb, high: Rgb, t: Plane) -> Colours:
    """Return colours between two, float32 (H, W, 3), for ``t`` between 0 and 1."""
    start = np.array(low, np.float32)
    out: Colours = start + t[..., None] * (np.array(high, np.float32) - start)
    return out


class Painting:
    """The backdrop while it is painted.

    Attributes:
        layout: The sizes of the scene.
        rgb: float32 (h, period, 3), 0 to 1.
        labels: uint8 (h, period).
        soft: Noise of broad blobs, 0 to 1, shared by all textures.
        leafy: Noise of small blobs.
        grain: Noise that is almost independent from pixel to pixel.
    """

    def __init__(self, layout: SceneLayout, key: int) -> None:
        self.layout = layout
        size = layout.backdrop_height, layout.period_px
        unit = layout.unit_px
        self.rgb: Colours = np.zeros((*size, 3), np.float32)
        self.labels: LabelMap = np.zeros(size, np.uint8)
        self.soft = fractal_noise(key + 10, *size, 0.30 * unit, 4)
        self.leafy = fractal_noise(key + 20, *size, max(2.0, 0.040 * unit), 3)
        self.grain = fractal_noise(key + 30, *size, max(1.0, 0.008 * unit), 2)

    def window(self, left: float, top: float, right: float, bottom: float) -> Slices:
        """Return the slices of a rectangle in pixels, cut to the painting."""
        height, width = self.labels.shape
        rows = slice(_clamp_index(top, height), _clamp_index(bottom, height))
        return rows, slice(_clamp_index(left, width), _clamp_index(right, width))

    def grid(self, at: Slices) -> tuple[Plane, Plane]:
        """Return x (1, w) and y (h, 1) of the pixel centres in a window."""
        x = np.arange(at[1].start, at[1].stop, dtype=np.float32)[None, :] + 0.5
        y = np.arange(at[0].start, at[0].stop, dtype=np.float32)[:, None] + 0.5
        return x, y

    def fill(self, at: Slices, colour: Colours | Rgb, label: int | None = None) -> None:
        """Fill a window."""
        self.rgb[at] = colour
        if label is not None:
            self.labels[at] = label

    def composite(
        self, at: Slices, coverage: Plane, colour: Colours | Rgb, label: int | None = None
    ) -> None:
        """Blend a colour into a window by ``coverage``, 0 to 1; the label begins at one half."""
        below = self.rgb[at]
        below += coverage[..., None] * (np.asarray(colour, np.float32) - below)
        if label is not None:
            self.labels[at][coverage >= 0.5] = label

    def darken(self, at: Slices, factor: float) -> None:
        """Multiply the colours of a window."""
        self.rgb[at] *= factor

    def to_image(self, tint: Rgb) -> Frame:
        """Return the picture as uint8, in the colour of the light."""
        return to_uint8(self.rgb * np.array(tint, np.float32))


def pixel_coverage(distance_px: Plane) -> Plane:
    """Return the share of a pixel that a shape covers, from the distance to it in pixels."""
    out: Plane = np.minimum(np.maximum(0.5 - distance_px, 0.0), 1.0)
    return out


def to_uint8(colours: Colours) -> Frame:
    """Round colours of 0 to 1 to bytes."""
    scaled = np.minimum(np.maximum(colours, 0.0), 1.0) * 255.0 + 0.5
    image: Frame = scaled.astype(np.uint8)
    return image


def _clamp_index(value: float, limit: int) -> int:
    return min(max(int(value + 0.5) if value > 0 else 0, 0), limit)
