"""What is said of the limits of a training before it begins."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from outtake.programs.trainer_setup import warn_of_limits

DATA = cast("Any", SimpleNamespace(train_dataloader=lambda: range(10)))


@pytest.mark.parametrize(
    ("epochs", "steps", "unfreeze_epoch", "said"),
    [
        (2, 1000, None, ["trainer.max_epochs=2 ends the training after 8 steps, before"]),
        (2, 8, None, []),
        (-1, 1000, 5, []),
        (2, -1, 2, ["unfreeze_epoch=2: the training has 2 epochs"]),
        (3, -1, 2, []),
    ],
)
def test_what_epochs_end_before_is_said(
    epochs: int,
    steps: int,
    unfreeze_epoch: int | None,
    said: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    trainer = SimpleNamespace(
        max_epochs=epochs, max_steps=steps, limit_train_batches=1.0, accumulate_grad_batches=3
    )
    with caplog.at_level("WARNING", "outtake"):
        warn_of_limits(cast("Any", trainer), DATA, unfreeze_epoch)
    assert [line.startswith(start) for line, start in zip(caplog.messages, said, strict=True)] == [
        True
    ] * len(said)
