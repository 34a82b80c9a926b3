from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch

from outtake.training.checkpoint_files import read_checkpoint, save_checkpoint
from outtake.training.random_state import random_state, restore_random_state


def draws() -> list[float]:
    values = [random.random(), random.gauss(0, 1), float(np.random.rand()), np.random.randn()]
    return [*values, float(torch.rand(())), float(torch.randn(()))]


def test_every_generator_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    draws()  # so that both Gaussian generators keep one number back
    save_checkpoint({"random": random_state()}, tmp_path / "x.ckpt")
    wanted = draws()
    draws()
    restore_random_state(read_checkpoint(tmp_path / "x.ckpt")["random"])
    assert draws() == wanted
