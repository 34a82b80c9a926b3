"""A small network that was really trained, so that its answers have a margin."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from outtake.core.labels import LabelSpace
from outtake.inference.open_backend import open_backend
from outtake.models.normalisation import Normalize
from outtake.training.losses.cross_entropy import CrossEntropy
from outtake.training.task import SegmentationTask

SPACE = LabelSpace.from_names(("ground", "ball", "wall"))
SIZE = (48, 64)


@dataclass(frozen=True)
class TrainedCheckpoint:
    """What a loaded checkpoint offers to a backend."""

    task: SegmentationTask
    path: Path
    sha256: str = "0123456789abcdef" * 4
    short_side: int | None = 48
    channels: int = 3


class Net(nn.Module):
    """Pads to a stride and crops, as the real ones do."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, 1, 1, groups=4),
            nn.BatchNorm2d(32),
            nn.ReLU(),
        )
        self.score = nn.Conv2d(32, len(SPACE.names), 3, 1, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        height, width = image.shape[-2:]
        padded = F.pad(image, (0, -width % 8, 0, -height % 8), mode="replicate")
        score = self.score(self.down(padded))
        score = F.interpolate(score, scale_factor=2, mode="bilinear", align_corners=False)
        return score[..., :height, :width]


def make_pictures(
    count: int, seed: int, size: tuple[int, int] = SIZE
) -> tuple[np.ndarray, np.ndarray]:
    """Return uint8 (N, h, w, 3) and the labels: red balls before a green wall on grey ground."""
    random = np.random.default_rng(seed)
    height, width = size
    images = np.full((count, height, width, 3), 110, np.int64)
    labels = np.zeros((count, height, width), np.int64)
    y, x = np.mgrid[:height, :width]
    for image, label in zip(images, labels, strict=True):
        wall = x < random.integers(width // 5, width // 2)
        ball = (y - random.integers(height)) ** 2 + (x - random.integers(width)) ** 2 < (
            height / 4
        ) ** 2
        image[wall], label[wall] = (60, 170, 70), 2
        image[ball], label[ball] = (190, 60, 60), 1
    images += random.integers(-20, 21, images.shape)
    return images.clip(0, 255).astype(np.uint8), labels


@cache
def trained_task(normalisation: type[nn.Module] = Normalize) -> SegmentationTask:
    """Return the task, trained for a moment; one of each kind for the whole session."""
    torch.manual_seed(0)
    made = SegmentationTask(Net(), normalisation(), SPACE, CrossEntropy(ignore_index=255))
    optimizer = torch.optim.Adam(made.parameters(), 1e-2)
    for step in range(60):
        images, labels = make_pictures(8, step)
        loss = made.loss(made(torch.from_numpy(images).permute(0, 3, 1, 2)), torch.tensor(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return made.eval()


LIBRARIES = {"openvino": ["openvino", "nncf"], "onnxruntime": ["onnx", "onnxruntime"]}


def open_on_cpu(name, trained, **options):
    """Open a backend on the CPU; skip the test where its library is missing."""
    for library in LIBRARIES.get(name, []):
        pytest.importorskip(library)
    return open_backend(
        name, trained, device="cpu", calibration=lambda: list(make_pictures(24, 1000)[0]), **options
    )


def run_script(script, *arguments, env=os.environ):
    """Run Python in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        env={**env, "PYTHONPATH": "."},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
    )
