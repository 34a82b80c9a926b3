"""What a resumed run sets anew of its optimizer and schedule.

The saved state of an optimizer holds its options too, and Lightning restores it after the optimizer
was made from the config: without more, the old options would train on. Here those that the config
has changed take effect, in each group of weights, and so do the rates that the schedule, of
whatever length and options, has at this step. Where nothing has changed, nothing is touched.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pytorch_lightning import Trainer
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from outtake.core.errors import ConfigError
from outtake.training.parameter_groups import options_of_groups

GroupOptions = Sequence[Mapping[str, Any]]


def apply_changed_options(
    trainer: Trainer,
    saved: GroupOptions,
    make_optimizer: Callable[[], Optimizer],
    make_schedule: Callable[[], LRScheduler | None],
) -> None:
    """Let changed options take effect in a fit whose optimizer was just restored.

    Args:
        trainer: The trainer.
        saved: The options of each group of weights, with which the optimizer was made in the fit
            that is resumed: what :func:`outtake.training.parameter_groups.options_of_groups` gave
            of its planned optimizer.
        make_optimizer: Makes the optimizer of this fit for weights of its own, at step 0.
        make_schedule: Makes the schedule of this fit for an optimizer of its own, at step 0.

    Raises:
        ConfigError: A callback has divided the weights into groups, so that the options of each
            are not in the config.
    """
    planned = options_of_groups(make_optimizer())
    for optimizer in trainer.optimizers:
        changed = [
            {key: value for key, value in now.items() if before.get(key) != value}
            for before, now in zip(saved, planned, strict=True)
        ]
        groups = optimizer.param_groups
        if len(groups) == len(planned):
            for group, options in zip(groups, changed, strict=True):
                group.update(options)
        elif any(changed):
            option = next(key for options in changed for key in options)
            raise ConfigError(
                f"optimizer.{option}: a callback has divided the weights of this run into "
                f"{len(groups)} groups with options of their own, which a resumed run keeps; "
                "leave it out, or begin another run"
            )
    for config in trainer.lr_scheduler_configs:
        schedule = config.scheduler
        if isinstance(schedule, LRScheduler):
            follower = make_schedule()
            if follower is not None and len(schedule.optimizer.param_groups) == len(planned):
                _follow(schedule, _step(follower, schedule.last_epoch))


def _follow(schedule: LRScheduler, planned: LRScheduler) -> None:
    """Bring a restored schedule and its optimizer to where the planned one is."""
    same_rates = schedule.get_last_lr() == planned.get_last_lr()
    if same_rates and schedule.base_lrs == planned.base_lrs:
        return
    planned_options = options_of_groups(planned.optimizer)
    for group, options in zip(schedule.optimizer.param_groups, planned_options, strict=True):
        group.update(options)
    schedule.load_state_dict(planned.state_dict())


def _step(schedule: LRScheduler, steps: int) -> LRScheduler:
    with warnings.catch_warnings():
        # torch misses the steps of the optimizer, which has no weights to train.
        warnings.simplefilter("ignore")
        for _ in range(steps):
            schedule.step()
    return schedule
