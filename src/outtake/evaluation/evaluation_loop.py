"""The loop that predicts a split and counts the result, with the time of each stage."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

import torch
from rich.progress import track
from torch.utils.data import DataLoader

from outtake.core.labels import LabelSpace
from outtake.data.dataset import SampleTensors
from outtake.evaluation.enlarged_logits import iter_predicted
from outtake.evaluation.evaluator import Evaluator


class Predicts(Protocol):
    """A function that gives logits at the network's resolution."""

    def __call__(self, images: torch.Tensor, /) -> torch.Tensor:
        """Return logits (B, classes, h, w) for uint8 images (B, C, h, w)."""
        ...


@dataclass(frozen=True)
class EvaluationResult:
    """The result of an evaluation.

    Attributes:
        evaluator: The counts.
        seconds: The wall time of all stages.
        stage_seconds: The seconds of waiting for images (``load``), of the network
            (``network``), and of enlarging its logits and counting (``count``).
    """

    evaluator: Evaluator
    seconds: float
    stage_seconds: dict[str, float]

    @property
    def images(self) -> int:
        """The number of images that were scored."""
        return len(self.evaluator.indices)


@torch.inference_mode()
def evaluate_split(
    predict: Predicts,
    labels: LabelSpace,
    loader: DataLoader[SampleTensors],
    device: torch.device,
    *,
    with_details: bool = False,
    show_progress: bool = True,
) -> EvaluationResult:
    """Predict a split and count it at the labels' own resolution.

    Args:
        predict: The network, or several.
        labels: Its classes.
        loader: The batches of the split.
        device: The device of the network.
        with_details: Whether outlines and confidence are counted too, and examples are kept.
        show_progress: Whether a progress bar is shown.
    """
    evaluator = Evaluator(len(labels.names), labels.ignore_index, with_details=with_details)
    stages = dict.fromkeys(("load", "network", "count"), 0.0)
    began_s = lap_s = time.perf_counter()

    def lap(stage: str) -> None:
        nonlocal lap_s
        if device.type != "cpu":
            torch.accelerator.synchronize(device)
        now_s = time.perf_counter()
        stages[stage] += now_s - lap_s
        lap_s = now_s

    for batch in track(loader, "evaluating", disable=not show_progress, transient=True):
        lap("load")
        truth = batch["mask"]
        size = (int(truth.shape[-2]), int(truth.shape[-1]))
        images = batch["image"].to(device)
        for some, logits in iter_predicted(predict, images, len(labels.names), size):
            lap("network")
            evaluator.add(
                logits, truth[some].to(device), batch["image"][some], batch["index"][some]
            )
            lap("count")
    return EvaluationResult(evaluator, time.perf_counter() - began_s, stages)
