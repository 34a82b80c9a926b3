"""Points, scribbles and boxes train a network; what has no label changes nothing."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch

from outtake.config.build_data import build_data
from outtake.config.build_task import build_loss
from outtake.config.compose import CONF_DIR, compose
from outtake.core.labels import LabelSpace
from outtake.programs.train import train

LABELS = LabelSpace.from_names(["a", "b", "c"])
LOSSES = sorted(path.stem for path in (CONF_DIR / "loss").glob("*.yaml"))


@pytest.mark.parametrize("option", LOSSES)
def test_no_loss_looks_at_pixels_without_a_label(option: str) -> None:
    extra = ["loss._target_=torch.nn.CrossEntropyLoss"] if option == "custom" else []
    node = compose("train", [f"loss={option}", *extra]).loss
    loss = build_loss(node, LABELS, np.array([0.7, 0.3, 0.0]))
    draws = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 16, 16, generator=draws)
    unlabelled = torch.rand(2, 16, 16, generator=draws) > 0.03
    target = torch.randint(0, 2, (2, 16, 16), generator=draws).masked_fill(unlabelled, 255)
    given = logits.clone().requires_grad_()
    value = loss(given, target)
    value.backward()
    assert (
        float(value.detach()) > 0
        and not given.grad[unlabelled[:, None].expand(-1, 3, -1, -1)].any()
    )
    other = torch.where(unlabelled[:, None], -9 * logits, logits)
    assert torch.equal(loss(other, target), value)
    given.grad = None
    nothing = loss(given, torch.full_like(target, 255))
    nothing.backward()
    assert float(nothing.detach()) == 0 and not given.grad.any()


def scribble(root: Path) -> Path:
    """Leave a line of each class in the training masks, and nothing at all in one of them."""
    for number, path in enumerate(sorted((root / "train" / "masks").iterdir())):
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        drawn = np.full_like(mask, 255)
        rows, columns = np.nonzero(mask == 1)
        if number:
            row = int(rows.mean())
            drawn[row, columns.min() : columns.max() + 1] = 1
            drawn[0 if mask[0].max() == 0 else -1, ::2] = 0
        cv2.imwrite(str(path), drawn)
    return root


def test_a_run_on_scribbles_learns(runs: ModuleType, tmp_path: Path) -> None:
    data = scribble(runs.write_data(tmp_path / "data"))
    overrides = [
        *runs.options(data, epochs=12),
        "loss=cross_entropy_dice",
        "loss.class_weights=inverse",
        "optimizer.lr=0.03",
        "trainer.check_val_every_n_epoch=12",
        "checkpoint_every_n_steps=null",
        "data.focus=0.5",
    ]
    overrides = [each for each in overrides if "callbacks.ema" not in each]
    assert train(compose("train", overrides), tmp_path / "run", overrides) > 0.7


def test_crops_are_placed_around_labels_where_there_are_few(
    runs: ModuleType, tmp_path: Path
) -> None:
    data = scribble(runs.write_data(tmp_path / "data", size=64))
    overrides = [*runs.options(data), "data.crop=[16,16]", "augment=none"]

    def labelled_crops(focus: float) -> int:
        built = build_data(compose("train", [*overrides, f"data.focus={focus}"]))
        built.setup("fit")
        return sum(
            int((mask != 255).any()) for batch in built.train_dataloader() for mask in batch["mask"]
        )

    assert labelled_crops(1.0) == 7  # all but the image without a label
