"""Find the callbacks of a trainer by their class."""

from __future__ import annotations

from typing import Any, TypeVar

from pytorch_lightning import Trainer

CallbackType = TypeVar("CallbackType")


def find_callbacks(trainer: Trainer, callback_type: type[CallbackType]) -> list[CallbackType]:
    """Return the callbacks of a kind."""
    # Lightning sets it where a type checker does not see it.
    every: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    return [callback for callback in every if isinstance(callback, callback_type)]
