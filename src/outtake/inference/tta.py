"""Test-time augmentation: average a network's logits over scales, mirroring and windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional as F

from outtake.core.errors import ConfigError
from outtake.core.validate import is_number
from outtake.data.resize import resize
from outtake.inference.protocol import Images, Logits, Network
from outtake.inference.sliding_window import check_window, run_sliding_window


class AugmentedNetwork:
    """A network whose logits are the mean over scales and mirroring, of windows or whole images.

    Args:
        network: The network, which runs at its own resolution.
        flip: Average with the mirrored images.
        scales: The factors by which images are resized; the network runs at each, and the logits
            are averaged.
        window: The (height, width) in pixels at the network's resolution, or one number for both:
            larger images are covered with windows of this size. None: images as they are.
        overlap: The least share of a window that its neighbour covers too; see
            :func:`~outtake.inference.sliding_window.run_sliding_window`.

    Raises:
        ConfigError: A scale, window or overlap that cannot work.
    """

    def __init__(
        self,
        network: Network,
        *,
        flip: bool = False,
        scales: Sequence[float] = (1.0,),
        window: int | Sequence[int] | None = None,
        overlap: float = 0.25,
    ) -> None:
        self.network = network
        self._flip = flip
        self._scales = check_scales(scales)
        self._window = check_window(window)
        if not is_number(overlap) or not 0 <= overlap < 1:
            raise ConfigError(f"network.overlap={overlap}: must be at least 0 and below 1")
        self._overlap = overlap

    def __call__(self, images: Images) -> Logits:
        """Map uint8 (B, h, w, C) to logits; see :class:`outtake.inference.protocol.Network`."""
        height, width = images.shape[1:3]
        total: Logits | None = None
        for scale in self._scales:
            scaled_size = max(1, round(height * scale)), max(1, round(width * scale))
            scaled = np.stack([resize(image, scaled_size) for image in images])
            for mirrored in (False, True) if self._flip else (False,):
                part = self._run(scaled[:, :, ::-1] if mirrored else scaled)
                part = resize_logits(part[:, :, ::-1] if mirrored else part, (height, width))
                total = part if total is None else total + part
        assert total is not None
        runs = len(self._scales) * (2 if self._flip else 1)
        return total if runs == 1 else total / np.float32(runs)

    def _run(self, images: Images) -> Logits:
        if self._window is None:
            return self.network(np.ascontiguousarray(images))
        return run_sliding_window(self.network, images, self._window, self._overlap)


def is_single_pass(scales: Sequence[float], window: int | Sequence[int] | None) -> bool:
    """Return whether a network sees each image whole and at one size."""
    return window is None and tuple(scales) == (1.0,)


def resize_logits(logits: Logits, size: tuple[int, int]) -> Logits:
    """Resize (B, h, w, classes) bilinearly."""
    if logits.shape[1:3] == size:
        return np.ascontiguousarray(logits)
    planes = torch.from_numpy(np.ascontiguousarray(logits)).permute(0, 3, 1, 2)
    large = F.interpolate(planes, size=size, mode="bilinear", align_corners=False)
    return np.ascontiguousarray(large.permute(0, 2, 3, 1).numpy())


def check_scales(scales: Sequence[float]) -> tuple[float, ...]:
    """Return the factors, or raise a ConfigError."""
    listed = isinstance(scales, Sequence) and not isinstance(scales, str) and len(scales) > 0
    if not listed or not all(is_number(each) and 0.1 <= each <= 10 for each in scales):
        raise ConfigError(f"network.scales={scales}: give a list of factors from 0.1 to 10")
    return tuple(float(scale) for scale in scales)
