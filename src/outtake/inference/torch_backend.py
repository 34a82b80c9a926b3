"""Run a task with PyTorch."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch

from outtake.errors import ConfigError
from outtake.inference.backend import Confidences, Images, LabelMaps
from outtake.inference.device import resolve_device

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Task(Protocol):
    """What is needed of a segmentation task."""

    def predict(
        self, images: torch.Tensor, size: tuple[int, int] | None = None, *, flip: bool = False
    ) -> torch.Tensor:
        """Map uint8 (B, C, h, w) to float logits (B, classes, *size); ``flip``: also mirrored."""
        ...


class TorchBackend:
    """Runs a task on a device.

    Args:
        task: in eval mode; moved to the device if it is a module.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<index>``.
        precision: ``auto`` is bfloat16 on CUDA and float32 elsewhere; or ``float32``,
            ``bfloat16``, ``float16``.
        confidence: compute the probability of each label too.
        flip: average with the mirrored images.

    Raises:
        DeviceError: the device is not here.
        ConfigError: an unknown precision.
    """

    def __init__(
        self,
        task: Task,
        device: str = "auto",
        precision: str = "auto",
        *,
        confidence: bool = False,
        flip: bool = False,
    ) -> None:
        self.device = resolve_device(device)
        if precision == "auto":
            precision = "bfloat16" if self.device.type == "cuda" else "float32"
        if precision not in PRECISIONS:
            raise ConfigError(f"precision={precision}: unknown; use auto, {', '.join(PRECISIONS)}")
        self.precision = precision
        self._task = task.to(self.device) if isinstance(task, torch.nn.Module) else task
        self._confidence = confidence
        self._flip = flip

    def __call__(
        self, images: Images, size: tuple[int, int]
    ) -> tuple[LabelMaps, Confidences | None]:
        """Label a batch; see :class:`outtake.inference.backend.Backend`."""
        # NHWC memory seen as NCHW is what torch calls channels_last: no copy is made.
        batch = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)
        with torch.inference_mode(), self._autocast():
            logits = self._task.predict(batch.to(self.device), size=size, flip=self._flip)
            best, labels = logits.max(dim=1)
            found = labels.to(torch.uint8).cpu().numpy()
            if not self._confidence:
                return found, None
            probability = torch.exp(best.float() - torch.logsumexp(logits.float(), dim=1))
            return found, probability.cpu().numpy()

    def _autocast(self) -> torch.autocast:
        dtype = PRECISIONS[self.precision]
        return torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32)
