"""The grain of a picture, the noise of its film or sensor, and how much of it a fill lacks.

Grain is measured by the median of the absolute Laplacian of the brightness (after Immerkaer, "Fast
Noise Variance Estimation", CVIU 1996, with a median for the mean): shading has none, and edges and
coarse texture are in the minority.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame, Mask

Floats = NDArray[np.float32]
T = TypeVar("T", np.uint8, np.float32)

# Y, Cr and Cb of BT.601 without an offset, and back: noise is added to each by itself.
TO_RGB = np.array([[1, 1.402, 0], [1, -0.714136, -0.344136], [1, 0, 1.772]], np.float32)
_TO_YCC = np.linalg.inv(TO_RGB).astype(np.float32)
TO_BRIGHTNESS = _TO_YCC[0]
_LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
# The median of its absolute value where the picture is white noise of deviation 1.
_MEDIAN_LAPLACIAN = 6 * 0.6745
# Grain is looked for in about so many blocks of this side, and in no fewer.
_BLOCK_PX, _MAX_BLOCKS, _MIN_BLOCKS = 16, 600, 32
# Pixels closer to black or white are cut off, and have less noise than there was.
_CLIPPED_GREY = 3
# Most pictures have so many blocks without fine texture, and fewer without any detail.
_QUIET_SHARE, _FLAT_SHARE, _MIN_FLAT = 0.25, 0.05, 12
# Grain depends on the brightness: it is measured at these, if so many blocks are like that.
_LEVELS_AT = np.array([32, 96, 160, 224], np.float32)
_MIN_BLOCKS_OF_LEVEL, _MOST_UNLIKE = 24, 2.0
# Weaker grain is not seen, and stronger is texture. In between it comes and goes gradually: a level
# near a limit would switch it on and off from frame to frame.
_UNSEEN_GREY, _SEEN_GREY = 0.4, 1.0
_STRONGEST_GREY, _TEXTURE_GREY = 15.0, 20.0
# How the root mean square of a block's Laplacian exceeds what its median says: noise has 1.04 to
# 1.1, up to 1.25 where it was coded, and texture, whose details are few and strong, more.
_NOISE_EXCESS, _TEXTURE_EXCESS = 1.25, 1.45
# Grain is alike so far away, and no farther.
_GRAIN_PX = 4
# A coarser kernel has nearly no Laplacian: what needs more than so many times its level is texture.
_MOST_COARSE = 3.0
# What has more than so many times the deviation in colour that it has in brightness is no grain,
# and a picture with less than this, in grey levels, has no colour.
_MOST_COLOURED, _COLOURLESS_GREY = 1.5, 0.1
# Levels are compared at every second pixel along x and y, in windows of so many of these.
_EVERY, _WINDOW, _BLUR_PX, _STEPS_PER_GREY = 2, 9, 15, 2
# A fill gets no grain where the picture beside it has less than the first share of the level, and
# all of it from the second: bars, captions and a sky that is cut off at white have none.
_CLEAN_SHARE, _GRAINY_SHARE = 0.3, 0.6


@dataclass(frozen=True)
class Grain:
    """The grain of a picture.

    Attributes:
        levels: Its strength at four degrees of brightness, as the standard deviation of white
            noise with the same Laplacian, in grey levels, float32 (4,).
        kernels: Filters that make grain of strength 1 out of white noise: for Y, Cr and Cb, float32
            (3, 9, 9).
        mixing: What makes Y, Cr and Cb as alike as they are in the picture out of three planes of
            white noise, before the filters, float32 (3, 3).
    """

    levels: Floats
    kernels: Floats
    mixing: Floats

    def level_at(self, brightness: Floats) -> Floats:
        """Return its strength at a brightness from 0 to 255, of any shape."""
        return np.asarray(np.interp(brightness, _LEVELS_AT, self.levels), np.float32)


def measure_grain(image: Frame, mask: Mask) -> Grain | None:
    """Measure the grain of a picture where nothing is masked.

    Args:
        image: uint8 (H, W, 3), RGB.
        mask: True where it is not looked at, bool (H, W).

    Returns:
        The grain; None where there is none to be seen, or too little of the picture to tell.
    """
    blocks = _cut_blocks(image, mask)
    if len(blocks) < _MIN_BLOCKS:
        return None
    blocks = blocks @ _TO_YCC.T
    laplacian = _block_laplacian(blocks[..., 0])
    block_levels = np.median(laplacian, axis=1) / _MEDIAN_LAPLACIAN
    quiet = float(np.quantile(block_levels, _QUIET_SHARE))
    seen = quiet * _ramp(quiet, _UNSEEN_GREY, _SEEN_GREY)
    seen *= _ramp(quiet, _TEXTURE_GREY, _STRONGEST_GREY)
    if not seen:
        return None
    is_quiet = block_levels <= quiet
    deviations = np.sqrt(np.square(laplacian[is_quiet]).mean(axis=1)) / 6
    excess = float(np.median(deviations / np.maximum(block_levels[is_quiet], 1e-3)))
    seen *= _ramp(excess, _TEXTURE_EXCESS, _NOISE_EXCESS)
    if not seen:
        return None
    levels = np.full(len(_LEVELS_AT), quiet, np.float32)
    means = blocks[..., 0].mean(axis=(1, 2))
    nearest = np.abs(means[:, None] - _LEVELS_AT).argmin(axis=1)
    for place in range(len(levels)):
        own = block_levels[nearest == place]
        if len(own) >= _MIN_BLOCKS_OF_LEVEL:
            own_level = float(np.quantile(own, _QUIET_SHARE))
            levels[place] = np.clip(own_level, quiet / _MOST_UNLIKE, quiet * _MOST_UNLIKE)
    # Captions and bars without grain must not say what it is like.
    kernels, mixing = _find_shapes(blocks[block_levels >= quiet / 2])
    return Grain(levels * np.float32(seen / quiet), kernels, mixing)


def find_missing_grain(fill: Frame, mask: Mask, grain: Grain) -> Floats:
    """Return how much grain a fill lacks, in grey levels as of ``Grain.levels``, float32 (H, W).

    Where a fill is rougher than grain makes it nothing is lacking, and where the picture beside it
    has no grain it needs none. Outside the mask it is 0.

    Args:
        fill: The filled picture, uint8 (H, W, 3).
        mask: What was filled, bool (H, W).
        grain: That of the picture around it.
    """
    brightness = np.asarray(fill @ TO_BRIGHTNESS, np.float32)
    laplacian = np.abs(cv2.filter2D(brightness, cv2.CV_32F, _LAPLACIAN))[::_EVERY, ::_EVERY]
    steps = np.minimum(np.rint(laplacian * _STEPS_PER_GREY), 255).astype(np.uint8)
    smooth = cv2.blur(brightness, (_BLUR_PX, _BLUR_PX))[::_EVERY, ::_EVERY]
    level = grain.level_at(smooth)
    touched = cv2.dilate(mask.view(np.uint8), np.ones((3, 3), np.uint8)) > 0
    inside, beside = mask[::_EVERY, ::_EVERY], ~touched[::_EVERY, ::_EVERY]
    own_level = _local_level(steps, inside)
    missing = np.sqrt(np.maximum(np.square(level) - np.square(own_level), 0))
    if beside.any():
        share = _spread(_local_level(steps, beside), beside) / level
        missing *= np.clip((share - _CLEAN_SHARE) / (_GRAINY_SHARE - _CLEAN_SHARE), 0, 1)
    # Its own noise must not make spots of more and of less grain.
    missing = cv2.blur(missing, (_WINDOW, _WINDOW), borderType=cv2.BORDER_REPLICATE)
    size = (mask.shape[1], mask.shape[0])
    return np.where(mask, cv2.resize(missing, size), np.float32(0))


def _ramp(value: float, none: float, all_of_it: float) -> float:
    """Return 0 at one value, 1 at another, and beyond these the same."""
    return min(max((value - none) / (all_of_it - none), 0.0), 1.0)


def _local_level(steps: NDArray[np.uint8], where: Mask) -> Floats:
    """Return the level of grain around each pixel by the absolute Laplacian inside of a mask."""
    medians = cv2.medianBlur(_spread(steps, where), _WINDOW)
    return np.asarray(medians / np.float32(_STEPS_PER_GREY * _MEDIAN_LAPLACIAN), np.float32)


def _cut_blocks(image: Frame, mask: Mask) -> Floats:
    """Return blocks that are known and not cut off at black or white, float32 (n, 16, 16, 3)."""
    height, width = mask.shape
    step = max(_BLOCK_PX // 2, round((height * width / _MAX_BLOCKS) ** 0.5))
    rows = np.arange(0, height - _BLOCK_PX + 1, step)
    columns = np.arange(0, width - _BLOCK_PX + 1, step)
    if not len(rows) or not len(columns):
        return np.empty((0, _BLOCK_PX, _BLOCK_PX, 3), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(image, (_BLOCK_PX, _BLOCK_PX), axis=(0, 1))
    hidden = np.lib.stride_tricks.sliding_window_view(mask, (_BLOCK_PX, _BLOCK_PX))
    down, across = np.nonzero(~hidden[np.ix_(rows, columns)].any(axis=(2, 3)))
    blocks = np.moveaxis(windows[rows[down], columns[across]], 1, -1)
    low, high = blocks.min(axis=(1, 2, 3)), blocks.max(axis=(1, 2, 3))
    whole = (low >= _CLIPPED_GREY) & (high <= 255 - _CLIPPED_GREY)
    return np.asarray(blocks[whole], np.float32)


def _block_laplacian(blocks: Floats) -> Floats:
    """Return the absolute Laplacian of the pixels of blocks (n, h, w), float32 (n, m)."""
    curved = blocks[:, :-2] - 2 * blocks[:, 1:-1] + blocks[:, 2:]
    curved = curved[..., :-2] - 2 * curved[..., 1:-1] + curved[..., 2:]
    return np.asarray(np.abs(curved.reshape(len(curved), -1)), np.float32)


def _find_shapes(blocks: Floats) -> tuple[Floats, Floats]:
    """Return the kernels and the mixing of grain, as of ``Grain``, from blocks (n, 16, 16, 3)."""
    count = max(_MIN_FLAT, round(_FLAT_SHARE * len(blocks)))
    variances = np.square(_subtract_shading(blocks[..., 0])).mean(axis=(1, 2))
    flat = blocks[np.argsort(variances, kind="stable")[:count]]
    details = [_subtract_shading(flat[..., channel]) for channel in range(3)]
    covariance = np.cov(np.stack([detail.ravel() for detail in details]), bias=True)
    kernels = np.stack([_shape_kernel(detail) for detail in details])
    # The Laplacian of white noise of deviation 1 has a variance of 36.
    laplacian = cv2.filter2D(
        np.pad(kernels[0], 2), cv2.CV_32F, _LAPLACIAN, borderType=cv2.BORDER_CONSTANT
    )
    scale = min(6 / float(np.sqrt(np.square(laplacian).sum())), _MOST_COARSE)
    deviations = np.sqrt(np.diagonal(covariance)) + 1e-3
    ratios = np.minimum(deviations / deviations[0], _MOST_COLOURED)
    ratios[1:][deviations[1:] < _COLOURLESS_GREY] = 0
    # Some more on the diagonal, or it has no root where two planes are the same.
    correlation = covariance / np.outer(deviations, deviations) + 1e-3 * np.eye(3)
    mixing = np.linalg.cholesky(correlation).astype(np.float32)
    return np.asarray(kernels * (scale * ratios)[:, None, None], np.float32), mixing


def _subtract_shading(blocks: Floats) -> Floats:
    """Return blocks (n, 16, 16) without the surface of second degree that fits each best."""
    down, across = np.mgrid[:_BLOCK_PX, :_BLOCK_PX] - (_BLOCK_PX - 1) / 2
    terms = [np.ones_like(down), across, down, across * down, across**2, down**2]
    basis = np.linalg.qr(np.stack([each.ravel() for each in terms], axis=1))[0].astype(np.float32)
    flat = blocks.reshape(len(blocks), -1)
    return np.asarray((flat - flat @ basis @ basis.T).reshape(blocks.shape), np.float32)


def _shape_kernel(detail: Floats) -> Floats:
    """Return a filter (9, 9) that makes noise of variance 1 which is alike as that of blocks."""
    side = 2 * _GRAIN_PX + 1
    alike = np.zeros((_BLOCK_PX, _BLOCK_PX))
    for down in range(_GRAIN_PX):
        for across in range(_GRAIN_PX):
            height, width = _BLOCK_PX - down, _BLOCK_PX - across
            product = detail[:, down:, across:] * detail[:, :height, :width]
            mirrored = detail[:, down:, :width] * detail[:, :height, across:]
            # What is alike far away is no grain: the farther, the less it counts.
            weight = (1 - (down / _GRAIN_PX) ** 2) * (1 - (across / _GRAIN_PX) ** 2)
            value = weight * float(product.mean() + mirrored.mean()) / 2
            for y in {down, -down}:
                for x in {across, -across}:
                    alike[y, x] = value
    spectrum = np.sqrt(np.maximum(np.fft.fft2(alike).real, 0))
    kernel = np.fft.fftshift(np.fft.ifft2(spectrum).real)
    middle, reach = _BLOCK_PX // 2, _GRAIN_PX
    kernel = kernel[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
    size = float(np.sqrt(np.square(kernel).sum()))
    if size < 1e-6:  # no detail at all: white noise
        kernel, size = np.zeros((side, side)), 1.0
        kernel[reach, reach] = 1
    return np.asarray(kernel / size, np.float32)


def _spread(values: NDArray[T], mask: Mask) -> NDArray[T]:
    """Return values of which those outside a mask are that of the nearest pixel inside."""
    if mask.all() or not mask.any():
        return values
    _, nearest = cv2.distanceTransformWithLabels(
        (~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    by_label = np.zeros(int(nearest.max()) + 1, values.dtype)
    by_label[nearest[mask]] = values[mask]
    return np.asarray(by_label[nearest], values.dtype)
