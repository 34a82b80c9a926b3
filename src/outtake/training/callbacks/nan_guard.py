"""Stop training when gradients or weights become NaN or infinite, and name the batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch.distributed.tensor import DTensor
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from outtake.core.types import Batch
from outtake.training.collectives import all_gather, all_reduce_max
from outtake.training.task import SegmentationTask

# The parts of a checkpoint from the network and its optimizer; others may well be infinite.
_CHECKED_PARTS = ("state_dict", "current_model_state", "averaging_state", "optimizer_states")


class NanGuard(Callback):
    """End the fit at the step in which a gradient or a weight stops being finite.

    The task itself checks the loss. A checkpoint with NaN or infinity is never written. This must
    be the last callback, so that it sees a checkpoint as it will be saved.
    """

    def __init__(self) -> None:
        self._batch: Batch | None = None
        self._split = "training"
        self._initially_infinite: set[str] = set()

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the buffers that are infinite from the start, as an attention mask may be."""
        self._initially_infinite = {
            name for name, buffer in pl_module.named_buffers() if not _is_finite(buffer)
        }

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Remember the batch."""
        self._batch, self._split = batch, "training"

    def on_validation_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Remember the batch."""
        self._batch, self._split = batch, "validation"

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Check the gradient before it reaches the weights.

        Raises:
            NonFiniteLossError: The gradient is not finite.
        """
        # A gradient scaler finds its scale by infinite gradients, and skips such steps itself.
        if getattr(trainer.precision_plugin, "scaler", None) is not None:
            return
        grads = [p.grad for group in optimizer.param_groups for p in group["params"]]
        divided = any(isinstance(grad, DTensor) for grad in grads)
        own = [grad.to_local() if isinstance(grad, DTensor) else grad for grad in grads]
        # The largest value, not the Euclidean norm: the square of a finite value may overflow. A
        # rank may have no part of a small weight.
        there = [grad for grad in own if grad is not None and grad.numel()]
        largest = get_total_norm(there, float("inf"))
        bad = not torch.isfinite(largest)
        if divided:
            bad = bool(all_reduce_max(int(bad), pl_module.device))
        if bad:
            what = "NaN or infinite" if divided else largest.item()
            raise self._error(pl_module, f"the gradient became {what}")

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Refuse to save what is not finite.

        Raises:
            NonFiniteLossError: A weight, or its optimizer state, is not finite.
        """
        # Where the weights are sharded among the ranks, only the first has the whole checkpoint.
        found = [each for each in all_gather(self._find_non_finite(checkpoint)) if each]
        if found:
            raise self._error(pl_module, f"{found[0]} became NaN or infinite")

    def _find_non_finite(self, checkpoint: dict[str, Any]) -> str:
        for part in _CHECKED_PARTS:
            for name, tensor in _named_tensors(checkpoint.get(part, {})):
                if name.removeprefix(".") not in self._initially_infinite and not _is_finite(
                    tensor
                ):
                    return f"{part}{name}"
        return ""

    def batch_samples(self) -> list[int]:
        """Return the indices of the running batch within its split."""
        return [] if self._batch is None else self._batch["index"].tolist()

    def describe_batch(self) -> str:
        """Describe the running batch for a message."""
        if self._batch is None:
            return "before the first batch"
        count, channels, height, width = self._batch["image"].shape
        return f"in a {self._split} batch of {count} images {channels}x{height}x{width}"

    def _error(self, module: LightningModule, what: str) -> Exception:
        assert isinstance(module, SegmentationTask)
        return module.nan_error(what, self.batch_samples(), self._split)


def _is_finite(tensor: torch.Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())


def _named_tensors(node: Any, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(node, torch.Tensor):
        yield name, node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield from _named_tensors(value, f"{name}.{key}")
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from _named_tensors(value, f"{name}.{index}")
