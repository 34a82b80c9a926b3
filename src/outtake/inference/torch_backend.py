"""Run a task with PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Protocol

import numpy as np
import torch

from outtake.core.device import resolve_device
from outtake.core.errors import ConfigError
from outtake.inference.protocol import Confidences, Images, LabelMaps, Logits
from outtake.inference.uncertain_share import uncertain_shares

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Task(Protocol):
    """The part of a segmentation task that a backend needs."""

    def predict(
        self, images: torch.Tensor, size: tuple[int, int] | None = None, *, flip: bool = False
    ) -> torch.Tensor:
        """Map uint8 (B, C, h, w) to float logits (B, classes, *size); ``flip``: mirrored too."""
        ...


class TorchNetwork:
    """Runs a task on a device.

    Args:
        task: The task in eval mode; it is moved to the device if it is a module.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<index>``.
        precision: ``auto`` is bfloat16 on CUDA and float32 elsewhere; or ``float32``,
            ``bfloat16``, ``float16``.
        compile: Compile the task with torch.compile: minutes at first, faster afterwards.
        threads: The number of CPU threads of the whole process; None is PyTorch's choice.

    Raises:
        DeviceError: This machine does not have the device.
        ConfigError: The precision is unknown.
    """

    def __init__(
        self,
        task: Task,
        device: str = "auto",
        precision: str = "auto",
        *,
        compile: bool = False,
        threads: int | None = None,
    ) -> None:
        self.device = resolve_device(device)
        if precision == "auto":
            precision = "bfloat16" if self.device.type == "cuda" else "float32"
        if precision not in PRECISIONS:
            raise ConfigError(
                f"network.precision={precision}: unknown; use auto, {', '.join(PRECISIONS)}"
            )
        self.precision = precision
        if threads:
            torch.set_num_threads(threads)
        self._task = task.to(self.device) if isinstance(task, torch.nn.Module) else task
        predict = self._task.predict
        self._predict = torch.compile(predict) if compile else predict
        self._compiled = compile

    def __call__(self, images: Images) -> Logits:
        """Map uint8 (B, h, w, C) to logits; see :class:`outtake.inference.protocol.Network`."""
        with torch.inference_mode():
            logits = self.predict(images).float().permute(0, 2, 3, 1)
            return np.ascontiguousarray(logits.cpu().numpy())

    def predict(
        self, images: Images, size: tuple[int, int] | None = None, *, flip: bool = False
    ) -> torch.Tensor:
        """Return logits (B, classes, *size) on the device."""
        # NHWC memory seen as NCHW is what torch calls channels_last: no copy is made.
        batch = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)
        dtype = PRECISIONS[self.precision]
        try:
            with torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
                return self._predict(batch.to(self.device), size=size, flip=flip)
        except Exception as error:
            # A compiler may be missing or fail in ways of its own.
            if self._compiled and type(error).__module__.startswith("torch._"):
                first = str(error).strip().splitlines()[0]
                raise ConfigError(
                    f"backend.compile=true: torch.compile failed ({first}); use false"
                ) from error
            raise


class TorchBackend:
    """Runs a task on a device, including the labels: on CUDA nothing else is copied back.

    Args:
        task: The task in eval mode; see :class:`TorchNetwork`.
        device: See :class:`TorchNetwork`.
        precision: See :class:`TorchNetwork`.
        confidence: Compute the probability of each label too.
        flip: Average with the mirrored images.
        compile: See :class:`TorchNetwork`.
        threads: See :class:`TorchNetwork`.

    Raises:
        DeviceError: This machine does not have the device.
        ConfigError: The precision is unknown.
    """

    def __init__(
        self,
        task: Task,
        device: str = "auto",
        precision: str = "auto",
        *,
        confidence: bool = False,
        flip: bool = False,
        compile: bool = False,
        threads: int | None = None,
    ) -> None:
        self.network = TorchNetwork(task, device, precision, compile=compile, threads=threads)
        self.device = self.network.device
        self.precision = self.network.precision
        self._confidence = confidence
        self._flip = flip
        self._run_lock = Lock()

    def __call__(
        self, images: Images, size: tuple[int, int]
    ) -> tuple[LabelMaps, Confidences | None]:
        """Label a batch; see :class:`outtake.inference.protocol.Backend`."""
        with self._run_lock, torch.inference_mode():
            return self._label(self.network.predict(images, size, flip=self._flip))

    def label_with_uncertainty(
        self, images: Images, size: tuple[int, int], ids: Sequence[int]
    ) -> tuple[LabelMaps, Confidences | None, list[float | None]]:
        """Label a batch; see :class:`outtake.inference.protocol.UncertaintyBackend`."""
        with self._run_lock, torch.inference_mode():
            logits = self.network.predict(images, size, flip=self._flip)
            return *self._label(logits), uncertain_shares(logits, ids)

    def _label(self, logits: torch.Tensor) -> tuple[LabelMaps, Confidences | None]:
        best, labels = logits.max(dim=1)
        found = labels.to(torch.uint8).cpu().numpy()
        if not self._confidence:
            return found, None
        probability = torch.exp(best.float() - torch.logsumexp(logits.float(), dim=1))
        return found, probability.cpu().numpy()
