"""A teacher that is the moving average of its student."""

from __future__ import annotations

import copy
from typing import Any, Self

import torch
from torch import nn

from outtake.models.training_logits import main_logits
from outtake.training.module_modes import in_eval_mode
from outtake.training.moving_average import average_decay
from outtake.training.task import SegmentationTask


class MovingTeacher:
    """The moving average of a network's weights, which says what images without labels show.

    Tarvainen and Valpola, "Mean teachers are better role models", 2017. It is brought up to date
    once for each step of the optimizer, when it is next asked; while it is young it follows the
    network faster, so that the weights of the beginning are forgotten. Every rank has its own,
    and all have the same bits. It has float32 weights at least: in half precision the small steps
    of an average round to nothing.

    Args:
        window_share: How far back the average reaches, as a share of all steps of the training; 0
            takes the network itself.
    """

    def __init__(self, window_share: float) -> None:
        self._window_share = window_share
        self._decay = 0.0
        self._net: nn.Module | None = None
        self._step = 0
        self._to_restore: dict[str, Any] | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return itself: an averaged copy of the task trains nothing, and needs no teacher."""
        return self

    @torch.no_grad()
    def __call__(self, task: SegmentationTask, images: torch.Tensor) -> torch.Tensor:
        """Map uint8 (B, C, h, w) to float32 logits (B, classes, h, w), in eval mode."""
        if not self._window_share:
            with in_eval_mode(task.net):
                return main_logits(task.run_network(task.net, images)).float()
        return main_logits(task.run_network(self._average(task), images)).float()

    def state(self) -> dict[str, Any]:
        """Return plain containers and tensors for a checkpoint."""
        if self._to_restore is not None:
            return self._to_restore
        if self._net is None:
            return {}
        weights = {name: value.detach().cpu() for name, value in self._net.state_dict().items()}
        return {"step": self._step, "weights": weights}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state` gave, when the network is on its device."""
        self._to_restore = state or None

    def _average(self, task: SegmentationTask) -> nn.Module:
        if self._net is None:
            net = copy.deepcopy(task.net)
            types = {torch.promote_types(p.dtype, torch.float32) for p in net.parameters()}
            self._net = net.to(max(types, key=lambda kind: kind.itemsize, default=torch.float32))
            self._net.requires_grad_(False).eval()
            self._step = task.global_step
            key = "supervision.teacher_window_share"
            self._decay = average_decay(task.trainer, self._window_share, key, f"{key}=0")
            if self._to_restore is not None:
                self._net.load_state_dict(self._to_restore["weights"])
                self._step = int(self._to_restore["step"])
                self._to_restore = None
        if task.global_step > self._step:
            self._step = task.global_step
            kept = min(self._decay, 1 - 1 / (self._step + 1))
            for own, new in zip(_values(self._net), _values(task.net), strict=True):
                if own.is_floating_point():
                    own.lerp_(new.to(own.dtype), 1 - kept)
                else:
                    own.copy_(new)
        return self._net


def _values(net: nn.Module) -> list[torch.Tensor]:
    return [value.detach() for value in (*net.parameters(), *net.buffers())]
