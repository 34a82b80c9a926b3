"""What deterministic algorithms cost each network on this device: a training step three ways.

    python -m benchmarks.training.deterministic_networks [--batch 16] [--size 352 480] [--steps 20]
        [--precision 32-true] [--model fcn8s ...]

"plain" is without them, "torch" with ``torch.use_deterministic_algorithms`` alone, and "outtake"
with resizing by matrices on top (``outtake/models/resizing.py``), as in every training here. A step
is forward, cross entropy, backward and AdamW on a batch that lies on the device already: no loader,
so that nothing but the kernels is compared. The three take turns on the same weights and batch; the
times are medians over all steps. "same bits" tells whether two short trainings from the same start
end with the same weights.

``benchmarks/training/deterministic.py`` measures whole training runs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import nn

from outtake.config.build_network import build_net
from outtake.config.compose import CONF_DIR, compose
from outtake.config.group_overrides import list_options
from outtake.models.deterministic_resize import deterministic_resizing
from outtake.training.losses.cross_entropy import CrossEntropy

# cuBLAS reads it when it is first used in a process, and so in all three ways.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

CLASSES = 11
WAYS = ("plain", "torch", "outtake")
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
        self.net: nn.Module = net.to(memory_format=torch.channels_last).to(device).train()
        self.optimizer = torch.optim.AdamW(net.parameters(), 1e-4)
        images = torch.randn(batch, 3, *size)
        self.images = images.to(device, memory_format=torch.channels_last)
        self.labels = torch.randint(0, CLASSES, (batch, *size)).to(device)
        self.loss = CrossEntropy(ignore_index=255)
        self.dtype = PRECISIONS[precision]
        self.device = device

    def step(self, way: str) -> None:
        """Take one, to its end."""
        torch.use_deterministic_algorithms(way != "plain")
        resizing = deterministic_resizing(self.images) if way == "outtake" else nullcontext()
        enabled = self.dtype != torch.float32
        mixed = torch.autocast(self.device.type, self.dtype, enabled=enabled)
        with mixed, resizing:
            loss = self.loss(self.net(self.images), self.labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        wait(self.device)

    def times_ms(self, way: str, steps: int) -> list[float]:
        """Return what each step took, after some that are not counted."""
        for _ in range(WARM_UP):
            self.step(way)
        times = []
        for _ in range(steps):
            began_s = time.perf_counter()
            self.step(way)
            times.append(1000 * (time.perf_counter() - began_s))
        return times

    def weights(self, way: str, steps: int) -> list[torch.Tensor]:
        """Train a little and return the weights."""
        torch.manual_seed(1)
        for _ in range(steps):
            self.step(way)
        return [weight.detach().clone() for weight in self.net.state_dict().values()]


def wait(device: torch.device) -> None:
    """Let the device finish what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def same_bits(make: Callable[[], Training], way: str, steps: int = 4) -> bool:
    """Tell whether two trainings from the same start end equal."""
    one, other = make().weights(way, steps), make().weights(way, steps)
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def measure(make: Callable[[], Training], steps: int) -> dict[str, tuple[float, bool] | None]:
    """Return the milliseconds of a step and whether it gives the same bits; None if refused."""
    training = make()
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    refused = set()
    for _ in range(TURNS):
        for way, found in times.items():
            try:
                found += training.times_ms(way, -(-steps // TURNS))
            except RuntimeError as error:
                if "does not have a deterministic implementation" not in str(error):
                    raise
                refused.add(way)
    del training
    return {
        way: None if way in refused else (statistics.median(found), same_bits(make, way))
        for way, found in times.items()
    }


def main() -> None:
    """Print the table."""
    known = [option for option in list_options(CONF_DIR / "model") if option != "custom"]
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
    print(f"{'network':14}{'plain, ms':>20}{'torch':>26}{'outtake':>26}")
    ratios: dict[str, list[float]] = {way: [] for way in WAYS}
    for model in options.model:

        def make(model: str = model) -> Training:
            return Training(model, device, options.batch, size, options.precision)

        found = measure(make, options.steps)
        plain = found["plain"]
        assert plain is not None
        cells = []
        for way, each in found.items():
            if each is None:
                cells.append("refused")
                continue
            time_ms, same = each
            ratios[way].append(time_ms / plain[0])
            factor = "" if way == "plain" else f" ({ratios[way][-1]:.2f})"
            cells.append(f"{time_ms:.1f}{factor} {'same' if same else 'other'} bits")
        print(f"{model:14}{cells[0]:>20}{cells[1]:>26}{cells[2]:>26}", flush=True)
    for way in ("torch", "outtake"):
        if ratios[way]:
            print(
                f"{way}: median ratio {statistics.median(ratios[way]):.2f}, greatest "
                f"{max(ratios[way]):.2f}, of {len(ratios[way])} networks"
            )


if __name__ == "__main__":
    main()
