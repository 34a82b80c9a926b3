"""Learning-rate schedules, stepped after every optimizer step.

They are functions of the step, so that a run that is resumed with more epochs gets the schedule of
its new length from the step that it is at.
"""

from __future__ import annotations

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from outtake.core.errors import ConfigError
from outtake.core.validate import check_number


def poly(
    optimizer: Optimizer, total_steps: int, *, power: float = 0.9, warmup_steps: int = 0
) -> LRScheduler:
    """Return lr * (1 - step / total) ** power, the schedule of DeepLab (Chen et al. 2017).

    Raises:
        ConfigError: a negative ``power`` or ``warmup_steps``.
    """
    check_number("scheduler.power", power, 0)
    check_number("scheduler.warmup_steps", warmup_steps, 0, whole=True)

    def share(step: int) -> float:
        left: float = (1 - _progress_after_warmup(step, total_steps, warmup_steps)) ** power
        return _warmup_factor(step, warmup_steps) * left

    return LambdaLR(optimizer, share)


def cosine(
    optimizer: Optimizer, total_steps: int, *, lr_min: float = 0.0, warmup_steps: int = 0
) -> LRScheduler:
    """Return a half cosine from the optimizer's rate to ``lr_min`` (Loshchilov, Hutter 2017).

    The ``lr_scale`` of a group of weights holds for both.

    Raises:
        ConfigError: a negative ``warmup_steps``.
    """
    check_number("scheduler.warmup_steps", warmup_steps, 0, whole=True)
    # The optimizer's own rate: any group may have an lr_scale, and the default one may be empty.
    own = float(optimizer.defaults.get("lr", optimizer.param_groups[0]["lr"]))
    floor = lr_min / (own or 1.0)

    def share(step: int) -> float:
        turn = math.cos(math.pi * _progress_after_warmup(step, total_steps, warmup_steps))
        return _warmup_factor(step, warmup_steps) * (floor + (1 - floor) * (1 + turn) / 2)

    return LambdaLR(optimizer, share)


def one_cycle(optimizer: Optimizer, total_steps: int, *, warmup_share: float = 0.3) -> LRScheduler:
    """Return a rise to the optimizer's rate and a fall to nearly zero (Smith, Topin 2018).

    Raises:
        ConfigError: a ``warmup_share`` outside 0 to below 1.
    """
    check_number("scheduler.warmup_share", warmup_share, 0, 1)
    if warmup_share >= 1:
        raise ConfigError(f"scheduler.warmup_share={warmup_share}: must be below 1")
    rates = [float(group["lr"]) for group in optimizer.param_groups]
    if abs(warmup_share * total_steps - 1) < 1e-6:
        # torch divides by the length of a rise over one step, which is 0: begin at the top.
        warmup_share = max(warmup_share - 1e-6, 0.0)
    return OneCycleLR(optimizer, rates, total_steps=total_steps, pct_start=float(warmup_share))


def _warmup_factor(step: int, warmup_steps: int) -> float:
    return min(1.0, (step + 1) / (warmup_steps + 1))


def _progress_after_warmup(step: int, total_steps: int, warmup_steps: int) -> float:
    rest = max(total_steps - warmup_steps, 1)
    return min(max(step - warmup_steps, 0) / rest, 1.0)
