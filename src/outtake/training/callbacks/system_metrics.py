"""Gradient norm and memory, measured only in the steps that are logged."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch.distributed.tensor import DTensor
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from outtake.core.memory import peak_memory_bytes
from outtake.core.types import Batch

BYTES_PER_MIB = 2**20


class GradientNorm(Callback):
    """Log ``train/gradient_norm``: the Euclidean norm of the whole gradient, before clipping."""

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Log the norm; Lightning clips the gradient after this."""
        # Lightning sets the interval where a type checker does not see it.
        # The types of the library do not know this attribute.
        every, step = trainer.log_every_n_steps, trainer.global_step + 1  # type: ignore[attr-defined]
        # A step that ends a training may be logged whatever its number is.
        is_last = trainer.is_last_batch and trainer.current_epoch + 1 == trainer.max_epochs
        if not every or (step % every and not is_last and not 0 < trainer.max_steps <= step):
            return
        grads = [p.grad for group in optimizer.param_groups for p in group["params"]]
        norm = get_total_norm([grad for grad in grads if grad is not None])
        if isinstance(norm, DTensor):
            norm = norm.full_tensor()
        pl_module.log("train/gradient_norm", norm)


class MemoryUsage(Callback):
    """Log ``train/memory_mib``: the peak of CUDA memory, or the memory of the process."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the peak of an earlier run in the same process."""
        if pl_module.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(pl_module.device)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Log the memory after the step."""
        every = trainer.log_every_n_steps  # type: ignore[attr-defined]
        if every and trainer.global_step % every == 0:
            pl_module.log("train/memory_mib", used_memory_bytes(pl_module.device) / BYTES_PER_MIB)


def used_memory_bytes(device: torch.device) -> int:
    """Return CUDA's peak of allocated memory; elsewhere the resident memory of this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return peak_memory_bytes()  # without /proc
