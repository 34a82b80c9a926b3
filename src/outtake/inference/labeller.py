"""A network as a backend: test-time augmentation, windows over large frames, enlargement."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from outtake.core.errors import ConfigError
from outtake.data.resize import resize
from outtake.inference.protocol import Confidences, Images, LabelMaps, Logits, Network
from outtake.inference.upsample_argmax import upsample_argmax


class Labeller:
    """Makes labels of what a network says.

    Args:
        network: runs at its own resolution.
        confidence: compute the probability of each label too.
        flip: average with the mirrored images.
        scales: average over the images resized by these factors; each is a run of the network.
        window: (height, width) in pixels at the network's resolution, or one number for both:
            larger images are covered with windows of this size. None: images as they are.
        overlap: least share of a window that its neighbour covers too; there both are averaged,
            weighted by the distance to the window's edge.

    Raises:
        ConfigError: a scale, window or overlap that can not work.
    """

    def __init__(
        self,
        network: Network,
        *,
        confidence: bool = False,
        flip: bool = False,
        scales: Sequence[float] = (1.0,),
        window: int | Sequence[int] | None = None,
        overlap: float = 0.25,
    ) -> None:
        self.network = network
        self._confidence = confidence
        self._flip = flip
        self._scales = check_scales(scales)
        self._window = check_window(window)
        if not 0 <= overlap < 1:
            raise ConfigError(f"overlap={overlap}: must be at least 0 and below 1")
        self._overlap = overlap
        # Two runs of a network at once would only wait for each other.
        self._run_lock = Lock()

    def __call__(
        self, images: Images, size: tuple[int, int]
    ) -> tuple[LabelMaps, Confidences | None]:
        """Label a batch; see :class:`outtake.inference.protocol.Backend`."""
        labels: list[NDArray[np.uint8]] = []
        sure: list[NDArray[np.float32]] = []
        with self._run_lock:
            batch = self.logits(images)
        for logits in batch:
            found, probability = upsample_argmax(logits, size, confidence=self._confidence)
            labels.append(found)
            if probability is not None:
                sure.append(probability)
        return np.stack(labels), np.stack(sure) if sure else None

    def logits(self, images: Images) -> Logits:
        """Return float32 (B, h, w, classes): the mean over scales and mirroring."""
        height, width = images.shape[1:3]
        total: Logits | None = None
        for scale in self._scales:
            wanted = max(1, round(height * scale)), max(1, round(width * scale))
            scaled = np.stack([resize(image, wanted) for image in images])
            for mirrored in (False, True) if self._flip else (False,):
                part = self._run_sliding_window(scaled[:, :, ::-1] if mirrored else scaled)
                part = resize_logits(part[:, :, ::-1] if mirrored else part, (height, width))
                total = part if total is None else total + part
        assert total is not None
        runs = len(self._scales) * (2 if self._flip else 1)
        return total if runs == 1 else total / np.float32(runs)

    def _run_sliding_window(self, images: Images) -> Logits:
        height, width = images.shape[1:3]
        if self._window is None or (height <= self._window[0] and width <= self._window[1]):
            return self.network(np.ascontiguousarray(images))
        tall, wide = min(self._window[0], height), min(self._window[1], width)
        weight = np.outer(_edge_weights(tall), _edge_weights(wide))[..., None]
        total: Logits | None = None
        covered = np.zeros((height, width, 1), np.float32)
        for top in window_offsets(height, tall, self._overlap):
            for left in window_offsets(width, wide, self._overlap):
                part = np.s_[top : top + tall, left : left + wide]
                logits = self.network(np.ascontiguousarray(images[:, *part]))
                if total is None:
                    total = np.zeros((len(images), height, width, logits.shape[-1]), np.float32)
                total[:, *part] += logits * weight
                covered[part] += weight
        assert total is not None
        total /= covered
        return total


def window_offsets(length: int, window: int, overlap: float) -> list[int]:
    """Return where windows begin that cover ``length`` evenly and overlap by a share at least."""
    if window >= length:
        return [0]
    step = max(1, int(window * (1 - overlap)))
    count = -(-(length - window) // step) + 1
    return [int(start) for start in np.linspace(0, length - window, count)]


def _edge_weights(length: int) -> NDArray[np.float32]:
    ramp = np.arange(1, length + 1, dtype=np.float32)
    return np.minimum(ramp, ramp[::-1])


def resize_logits(logits: Logits, size: tuple[int, int]) -> Logits:
    """Resize (B, h, w, classes) bilinearly."""
    if logits.shape[1:3] == size:
        return np.ascontiguousarray(logits)
    planes = torch.from_numpy(np.ascontiguousarray(logits)).permute(0, 3, 1, 2)
    large = F.interpolate(planes, size=size, mode="bilinear", align_corners=False)
    return np.ascontiguousarray(large.permute(0, 2, 3, 1).numpy())


def check_scales(scales: Sequence[float]) -> tuple[float, ...]:
    """Return the factors, or raise a ConfigError."""
    factors = tuple(float(scale) for scale in scales)
    if not factors or any(not 0.1 <= factor <= 10 for factor in factors):
        raise ConfigError(f"scales={list(scales)}: give one or more factors from 0.1 to 10")
    return factors


def check_window(window: int | Sequence[int] | None) -> tuple[int, int] | None:
    """Return (height, width), or None, or raise a ConfigError."""
    if window is None:
        return None
    sides = tuple(window) if isinstance(window, Sequence) else (window, window)
    if len(sides) != 2 or any(not isinstance(side, int) or side < 32 for side in sides):
        raise ConfigError(f"window={window}: give [HEIGHT,WIDTH] in pixels, each at least 32")
    return sides[0], sides[1]
