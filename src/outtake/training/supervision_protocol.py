"""What a task asks of whatever trains it beside its labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from outtake.core.errors import CheckpointError
from outtake.core.types import Batch

if TYPE_CHECKING:
    from outtake.training.task import SegmentationTask

_PREFIX = "supervision."  # of its weights among those of the task
_WEIGHTS = ("state_dict", "current_model_state")  # as trained, or averaged and as trained
_KEY = "supervision"


class TrainingLoss(NamedTuple):
    """The loss of a training step.

    Attributes:
        value: The scalar that is minimised; with several ranks, the part of this one.
        parts: Detached scalars by name, which are logged as ``train/loss_NAME``.
    """

    value: torch.Tensor
    parts: dict[str, torch.Tensor]


class Supervision(nn.Module, ABC):
    """Computes the loss of a training step in the place of the task's loss of labels alone.

    Weights that it trains itself are its parameters and submodules: they are trained with the
    network and saved beside it, never as a part of it. What is not trained, such as a teacher, is
    kept out of them.

    Attributes:
        record: Plain containers that go into every checkpoint: what trained the network.
    """

    record: dict[str, Any]

    def __init__(self) -> None:
        super().__init__()
        self.record = {}

    @abstractmethod
    def forward(self, task: SegmentationTask, batch: Batch) -> TrainingLoss:
        """Return the loss of a batch, that of its labels included."""

    def saved_state(self) -> dict[str, Any]:
        """Return what a resumed run needs beside the parameters: plain containers and tensors."""
        return {}

    def restore_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`saved_state` gave."""


def save_supervision(supervision: Supervision, checkpoint: dict[str, Any]) -> None:
    """Save what a resumed run needs, apart from the weights of the network, in place."""
    weights = {}
    for key in _WEIGHTS:
        if key in checkpoint:
            state = checkpoint[key]
            weights[key] = {name: state[name] for name in state if name.startswith(_PREFIX)}
            kept = {name: state[name] for name in state if not name.startswith(_PREFIX)}
            checkpoint[key] = kept
    checkpoint[_KEY] = {
        "record": supervision.record,
        "state": supervision.saved_state(),
        "weights": weights,
    }


def restore_supervision(supervision: Supervision, checkpoint: dict[str, Any]) -> None:
    """Restore what :func:`save_supervision` kept, and put the weights back, in place.

    Raises:
        CheckpointError: Something else trained the network, such as another teacher.
    """
    saved = checkpoint.get(_KEY)
    if saved is None:
        raise CheckpointError(
            "the run was begun without supervision=; leave it as it was, or begin another run"
        )
    for key, now in supervision.record.items():
        if saved["record"].get(key) != now:
            raise CheckpointError(
                f"supervision: {key} was {saved['record'].get(key)} when the run was begun and is "
                f"{now} now; give the same file, or begin another run"
            )
    for key, weights in saved["weights"].items():
        checkpoint[key] = {**checkpoint[key], **weights}
    supervision.restore_state(saved["state"])
