"""Edge-aware smoothing of probabilities: outlines go to the edges of the picture.

Min, Choi, Lu, Ham, Sohn and Do, "Fast Global Image Smoothing Based on Weighted Least Squares", IEEE
Transactions on Image Processing 2014: instead of one large system for the whole picture, columns
and rows are smoothed in turn, each by a tridiagonal system, with less and less strength.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame
from outtake.core.validate import check_number
from outtake.refine.refiner import Probabilities
from outtake.refine.tridiagonal import smooth_columns

_GUIDE_CHANNELS = 3
# Products of smaller numbers leave what float32 holds in full, and processors crawl there.
_LEAST_SIMILARITY = np.float32(1e-6)
_LEAST_PROBABILITY = np.float32(1e-8)


class Smooth:
    """Smooths the probabilities of each class where the picture is smooth.

    Args:
        strength: The weight of smoothness against the network's own probability (lambda).
        sigma: The difference between two neighbouring pixels, in grey levels, over which smoothing
            falls to 1/e.
        iterations: How often columns and rows are smoothed.
        least: Classes that reach this probability nowhere keep their probabilities.

    Raises:
        ConfigError: A number that cannot work.
    """

    def __init__(
        self, strength: float = 300, sigma: float = 6, iterations: int = 3, least: float = 0.1
    ) -> None:
        check_number("refine.strength", strength, 0)
        check_number("refine.sigma", sigma, 0.01)
        check_number("refine.iterations", iterations, 1, whole=True)
        check_number("refine.least", least, 0, 1)
        self._sigma = sigma
        self._least = least
        steps = range(iterations - 1, -1, -1)
        self._strengths = [1.5 * 4**step / (4**iterations - 1) * strength for step in steps]

    def refine(self, image: Frame, probabilities: Probabilities) -> Probabilities:
        """Smooth the classes that are there; see :class:`outtake.refine.refiner.Refiner`."""
        present = np.flatnonzero(probabilities.max(axis=(1, 2)) >= self._least)
        if len(present) < len(probabilities):
            planes = probabilities[present]
            self._smooth(image, planes)
            probabilities[present] = planes
            probabilities /= probabilities.sum(axis=0)
            return probabilities
        # Smoothing keeps sums: the last class is what the others leave.
        self._smooth(image, probabilities[:-1])
        np.subtract(1, probabilities[:-1].sum(axis=0), out=probabilities[-1])
        np.maximum(probabilities[-1], 0, out=probabilities[-1])
        return probabilities

    def _smooth(self, image: Frame, planes: Probabilities) -> None:
        """Smooth planes in place."""
        np.maximum(planes, _LEAST_PROBABILITY, out=planes)
        down, across = _similarities(image, self._sigma)
        turned = np.empty((len(planes), planes.shape[2], planes.shape[1]), np.float32)
        for strength in self._strengths:
            factor = np.float32(strength)
            smooth_columns(planes, factor * down)
            _transpose(planes, turned)
            smooth_columns(turned, factor * across)
            _transpose(turned, planes)


def _similarities(image: Frame, sigma: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return how alike neighbouring pixels are, from 0 to 1.

    Args:
        image: uint8 (h, w, C), of which the first three channels count: a network's further
            inputs come behind them.
        sigma: The difference, a length over all channels, at which this is 1/e.

    Returns:
        float32 (h - 1, w) of each pixel and the one below it, and (w - 1, h) of each and the one
        to its right, turned as the columns are by which rows are smoothed.
    """
    height, width, channels = image.shape
    down = np.zeros((height - 1, width), np.float32)
    across = np.zeros((height, width - 1), np.float32)
    for channel in range(min(channels, _GUIDE_CHANNELS)):
        plane = np.ascontiguousarray(image[..., channel])
        _add_squares(down, plane[1:], plane[:-1])
        _add_squares(across, plane[:, 1:], plane[:, :-1])
    for squares in (down, across):
        np.sqrt(squares, out=squares)
        np.multiply(squares, np.float32(-1 / sigma), out=squares)
        np.exp(squares, out=squares)
        np.maximum(squares, _LEAST_SIMILARITY, out=squares)
    return down, np.ascontiguousarray(across.T)


def _add_squares(total: NDArray[np.float32], one: Frame, other: Frame) -> None:
    if total.size:
        step = cv2.absdiff(one, other).astype(np.uint16)
        total += step * step


def _transpose(planes: Probabilities, turned: Probabilities) -> None:
    for plane, target in zip(planes, turned, strict=True):
        if 1 in plane.shape:  # OpenCV takes one row for a column, and has no place for the result
            target[...] = plane.T
        else:
            cv2.transpose(plane, dst=target)
