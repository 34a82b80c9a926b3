"""Scores of a removal against the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame, Mask

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
Plane = NDArray[np.float64]


def squared_error(truth: Frame, result: Frame, scored: Mask) -> float:
    """Return the mean squared error of the scored pixels."""
    return float(np.square(truth[scored].astype(np.float64) - result[scored]).mean())


def psnr(errors: Sequence[float]) -> float:
    """Return the PSNR of the mean of the frames' squared errors, peak 255."""
    return float(10 * np.log10(255**2 / max(float(np.mean(errors)), 1e-4)))


def ssim(truth: Frame, result: Frame, scored: Mask) -> float:
    """Return the mean structural similarity (Wang et al. 2004) of the scored pixels' grey.

    A Gaussian window of 11 pixels with a standard deviation of 1.5, as in the paper.
    """

    def smooth(values: Plane) -> Plane:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5), np.float64)

    a, b = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float64) for image in (truth, result))
    mean_a, mean_b = smooth(a), smooth(b)
    moments = smooth(a * a) - mean_a**2, smooth(b * b) - mean_b**2, smooth(a * b) - mean_a * mean_b
    return float(_similarity(mean_a, mean_b, *moments)[scored].mean())


def ssim_window(truth: Frame, result: Frame, window_px: int = 65) -> float:
    """Return the structural similarity of whole frames, as video completion papers report it.

    A uniform window, sample covariance, the mean of the three channels and of all positions at
    which the window lies inside: scikit-image's function with ``win_size=65``.
    """
    count = window_px**2
    inner = slice(window_px // 2, -(window_px // 2) or None)
    values = []
    for channel in range(3):
        a, b = (image[..., channel].astype(np.float64) for image in (truth, result))
        mean_a, mean_b, aa, bb, ab = (
            cv2.blur(plane, (window_px, window_px)) for plane in (a, b, a * a, b * b, a * b)
        )
        unbiased = count / (count - 1)
        moments = aa - mean_a**2, bb - mean_b**2, ab - mean_a * mean_b
        similarity = _similarity(mean_a, mean_b, *(unbiased * moment for moment in moments))
        values.append(similarity[inner, inner].mean())
    return float(np.mean(values))


def _similarity(mean_a: Plane, mean_b: Plane, var_a: Plane, var_b: Plane, cov: Plane) -> Plane:
    luminance = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    return np.asarray(luminance * (2 * cov + C2) / (var_a + var_b + C2), np.float64)


@dataclass(frozen=True)
class Motion:
    """The motion from the previous frame to a frame.

    Attributes:
        origin: The position of each pixel in the previous frame, x and y, float32 (H, W, 2).
        valid: False where the pixel was hidden, bool (H, W).
    """

    origin: NDArray[np.float32]
    valid: Mask


def estimate_motion(truths: Sequence[Frame]) -> list[Motion]:
    """Return the motion to each frame but the first.

    DIS optical flow (Kroeger et al. 2016) of the true frames; pixels that do not come back to
    within a pixel when they are tracked there and back were hidden.
    """
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY) for frame in truths]
    found = []
    for before, after in pairwise(grey):
        height, width = after.shape
        here = np.dstack(np.meshgrid(np.arange(width), np.arange(height))).astype(np.float32)
        back, forth = flow.calc(after, before, None), flow.calc(before, after, None)
        origin = here + back
        returned = back + cv2.remap(
            forth, origin, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        inside = (origin >= 0).all(axis=2) & (origin <= (width - 1, height - 1)).all(axis=2)
        found.append(Motion(origin, inside & (np.linalg.norm(returned, axis=2) < 1)))
    return found


def warp_error(results: Sequence[Frame], scored: Sequence[Mask], moved: Sequence[Motion]) -> float:
    """Return the flicker of the fill in grey levels.

    The root of the mean squared difference, over all scored pixels, between a frame and the
    previous one warped along the true motion (E_warp of Lai et al. 2018, inside the hole). The
    truth itself does not score 0, because light and noise change.
    """
    total, count = 0.0, 0
    for before, after, mask, motion in zip(results, results[1:], scored[1:], moved, strict=False):
        there = cv2.remap(before, motion.origin, None, cv2.INTER_LINEAR)
        use = mask & motion.valid
        total += float(np.square(after[use].astype(np.float64) - there[use]).sum()) / 3
        count += int(use.sum())
    return float(np.sqrt(total / count)) if count else float("nan")
