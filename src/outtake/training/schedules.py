"""Learning-rate schedules, stepped after every optimizer step."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    OneCycleLR,
    PolynomialLR,
    SequentialLR,
)


def poly(
    optimizer: Optimizer, total_steps: int, *, power: float = 0.9, warmup_steps: int = 0
) -> LRScheduler:
    """Return lr * (1 - step / total) ** power, the schedule of DeepLab (Chen et al. 2017)."""
    rest = max(total_steps - warmup_steps, 1)
    return _warmed(optimizer, PolynomialLR(optimizer, rest, power=power), warmup_steps)


def cosine(
    optimizer: Optimizer, total_steps: int, *, lr_min: float = 0.0, warmup_steps: int = 0
) -> LRScheduler:
    """Return a half cosine from the optimizer's rate to ``lr_min`` (Loshchilov, Hutter 2017)."""
    rest = max(total_steps - warmup_steps, 1)
    return _warmed(optimizer, CosineAnnealingLR(optimizer, rest, eta_min=lr_min), warmup_steps)


def one_cycle(optimizer: Optimizer, total_steps: int, *, warmup_share: float = 0.3) -> LRScheduler:
    """Return a rise to the optimizer's rate and a fall to nearly zero (Smith, Topin 2018)."""
    rates = [float(group["lr"]) for group in optimizer.param_groups]
    return OneCycleLR(optimizer, rates, total_steps=total_steps, pct_start=warmup_share)


def _warmed(optimizer: Optimizer, main: LRScheduler, warmup_steps: int) -> LRScheduler:
    if warmup_steps <= 0:
        return main
    rise = LinearLR(optimizer, 1.0 / (warmup_steps + 1), total_iters=warmup_steps)
    return SequentialLR(optimizer, [rise, main], milestones=[warmup_steps])
