"""What deterministic algorithms cost each network on this device: a training step with and without.

    python benchmarks/deterministic_networks.py [--batch 16] [--size 352 480] [--steps 20]
        [--precision 32-true] [--model fcn8s ...]

A step is forward, cross entropy, backward and AdamW on a batch that lies on the device already: no
loader, so that nothing but the kernels is compared. Both take turns on the same weights and batch;
the times are medians over all steps. "same bits" tells whether two short trainings from the same
start end with the same weights, without and with deterministic algorithms.

``benchmarks/deterministic.py`` measures whole training runs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from outtake.apps.config import CONF, compose
from outtake.build import build_net
from outtake.training.losses import CrossEntropy

# cuBLAS reads it when it is first used in a process, and so in both ways.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

CLASSES = 11
TURNS = 4
WARM_UP = 3
PRECISIONS = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16}


class Training:
    """A network, its optimizer and one batch on a device."""

    def __init__(
        self, model: str, device: torch.device, batch: int, size: tuple[int, int], precision: str
    ) -> None:
        torch.manual_seed(0)
        net: nn.Module = build_net(compose("train", [f"model={model}"]).model, CLASSES, 3)
        self.net = net.to(device, memory_format=torch.channels_last).train()
        self.optimizer = torch.optim.AdamW(net.parameters(), 1e-4)
        images = torch.randn(batch, 3, *size)
        self.images = images.to(device, memory_format=torch.channels_last)
        self.labels = torch.randint(0, CLASSES, (batch, *size)).to(device)
        self.loss = CrossEntropy(ignore_index=255)
        self.dtype = PRECISIONS[precision]
        self.device = device

    def step(self) -> None:
        """Take one, to its end."""
        enabled = self.dtype != torch.float32
        with torch.autocast(self.device.type, self.dtype, enabled=enabled):
            loss = self.loss(self.net(self.images), self.labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        wait(self.device)

    def times_ms(self, steps: int) -> list[float]:
        """Return what each step took, after some that are not counted."""
        for _ in range(WARM_UP):
            self.step()
        times = []
        for _ in range(steps):
            began_s = time.perf_counter()
            self.step()
            times.append(1000 * (time.perf_counter() - began_s))
        return times

    def weights(self, steps: int) -> list[torch.Tensor]:
        """Train a little and return the weights."""
        torch.manual_seed(1)
        for _ in range(steps):
            self.step()
        return [weight.detach().clone() for weight in self.net.state_dict().values()]


def wait(device: torch.device) -> None:
    """Let the device finish what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def same_bits(make: Callable[[], Training], steps: int = 4) -> bool:
    """Tell whether two trainings from the same start end equal."""
    one, other = make().weights(steps), make().weights(steps)
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def measure(make: Callable[[], Training], steps: int) -> tuple[float, float, bool, bool]:
    """Return the milliseconds of a step without and with, and whether each gives the same bits."""
    training = make()
    times: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(TURNS):
        for strict, found in times.items():
            torch.use_deterministic_algorithms(strict)
            found += training.times_ms(-(-steps // TURNS))
    del training
    bits = []
    for strict in times:
        torch.use_deterministic_algorithms(strict)
        bits.append(same_bits(make))
    torch.use_deterministic_algorithms(False)
    return statistics.median(times[False]), statistics.median(times[True]), bits[0], bits[1]


def main() -> None:
    """Print the table."""
    known = sorted(path.stem for path in (CONF / "model").glob("*.yaml") if path.stem != "custom")
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, nargs=2, default=(352, 480), metavar=("H", "W"))
    parser.add_argument("--steps", type=int, default=20, help="that are measured, each way")
    parser.add_argument("--precision", choices=PRECISIONS, default="32-true")
    parser.add_argument("--model", nargs="+", choices=known, default=known)
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "the CPU"
    size = (options.size[0], options.size[1])
    print(f"on {name}, {options.precision}, batches of {options.batch} at {size[0]}x{size[1]}")
    print(f"{'network':14}{'ms':>8}{'deterministic':>15}{'ratio':>7}  same bits without, with")
    ratios = []
    for model in options.model:

        def make(model: str = model) -> Training:
            return Training(model, device, options.batch, size, options.precision)

        free, strict, *bits = measure(make, options.steps)
        ratios.append(strict / free)
        told = ", ".join("yes" if each else "no" for each in bits)
        print(f"{model:14}{free:8.1f}{strict:15.1f}{ratios[-1]:7.2f}  {told}", flush=True)
    print(f"median ratio {statistics.median(ratios):.2f}, greatest {max(ratios):.2f}")


if __name__ == "__main__":
    main()
