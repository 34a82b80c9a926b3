"""How much of a GPU a training uses: the time that it is busy, and its share of the peak."""

from __future__ import annotations

import statistics
import threading
import time
from importlib.util import find_spec
from typing import Self

import torch
from torch.utils.flop_counter import FlopCounterMode

from outtake.training.task import SegmentationTask

# A reading is of the time since NVML's own last period, which is up to a second long.
READ_EVERY_S, PERIOD_S = 0.1, 1.0
# Of the square bfloat16 matrices whose product counts as the peak.
PEAK_SIZE = 8192


class BusyTime:
    """Reads on a thread how much of the time the GPU has a kernel to compute; without one, nothing.

    Use it as a context manager.
    """

    def __init__(self) -> None:
        self._readings: list[tuple[float, int]] = []  # the time and percent
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        if not torch.cuda.is_available():
            return self
        if find_spec("pynvml") is None:
            print("how busy the GPU is cannot be read: pip install nvidia-ml-py")
        else:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _read(self) -> None:
        while not self._ended.wait(READ_EVERY_S):
            self._readings.append((time.perf_counter(), torch.cuda.utilization()))

    def measure_share(self, begin_s: float, end_s: float) -> float:
        """Return the mean share of the time, 0 to 1; NaN where nothing was read.

        Args:
            begin_s: From this time of ``time.perf_counter`` on, and a period of NVML more.
            end_s: Up to this time.
        """
        kept = [percent for at, percent in self._readings if begin_s + PERIOD_S < at < end_s]
        return statistics.mean(kept) / 100 if kept else float("nan")


def measure_peak_flops() -> float:
    """Return the operations per second of a product of large random matrices in bfloat16."""
    left, right = (
        torch.randn(PEAK_SIZE, PEAK_SIZE, device="cuda", dtype=torch.bfloat16) for _ in range(2)
    )
    seconds = []
    for _ in range(20):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        left @ right
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begin)
    return float(2 * PEAK_SIZE**3 / statistics.median(seconds))


def count_sample_flops(task: SegmentationTask, image: torch.Tensor, mask: torch.Tensor) -> float:
    """Return the operations of the products and convolutions of a step, for one sample of a batch.

    Args:
        task: The task, on the device of the batch.
        image: uint8 (B, C, H, W).
        mask: int64 (B, H, W).
    """
    with FlopCounterMode(display=False) as counter:
        task.loss(task.net(task.normalize(image)), mask).backward()
    return float(counter.get_total_flops()) / len(mask)
