"""The time that a network takes for one image."""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch

from outtake.training.task import SegmentationTask

WARM_UP = 2
MIN_RUNS = 3
MAX_RUNS = 20
MAX_SECONDS = 2.0


@torch.inference_mode()
def measure_forward(
    task: SegmentationTask, size: tuple[int, int], channels: int, device: torch.device
) -> dict[str, Any]:
    """Measure the median time of one image through normalisation and network, in float32.

    Reading, resizing and the enlargement of the logits do not count. Other work on the machine
    slows it down: two runs compare only if each had the machine to itself.

    Args:
        task: The task; it is left on ``device``, in the mode that it was in.
        size: The (height, width) of images in evaluation.
        channels: The number of channels of an image.
        device: The device to measure on.

    Returns:
        ``forward_ms``, and under ``forward`` how it was measured; the caller names the device.
    """
    training = task.training
    task.eval().to(device)
    image = torch.full((1, channels, *size), 127, dtype=torch.uint8, device=device)
    times: list[float] = []
    began_s = time.perf_counter()
    for run in range(WARM_UP + MAX_RUNS):
        start_s = time.perf_counter()
        task(image)
        if device.type != "cpu":
            torch.accelerator.synchronize(device)
        now_s = time.perf_counter()
        if run >= WARM_UP:
            times.append(now_s - start_s)
        if len(times) >= MIN_RUNS and now_s - began_s > MAX_SECONDS:
            break
    task.train(training)
    how = {"batch": 1, "height": size[0], "width": size[1], "runs": len(times)}
    return {"forward_ms": 1000 * statistics.median(times), "forward": how}
