"""What a resumed run sets anew of its optimizer and schedule.

The saved state of an optimizer holds its options too, and Lightning restores it after the optimizer
was made from the config: without more, the old options would train on. Here those that the config
has changed take effect, and so does the rate that the schedule, of whatever length and options, has
at this step. Where nothing has changed, nothing is touched.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pytorch_lightning import Trainer
from torch.optim.lr_scheduler import LRScheduler

from outtake.core.errors import ConfigError

Options = Mapping[str, Any]


def optimizer_options(trainer: Trainer) -> list[dict[str, Any]]:
    """Return the options with which each optimizer of a fit was made."""
    return [dict(optimizer.defaults) for optimizer in trainer.optimizers]


def apply_changed_options(
    trainer: Trainer, saved: Sequence[Options], make_schedule: Callable[[], LRScheduler | None]
) -> None:
    """Let changed options take effect in a fit whose optimizer was just restored.

    Args:
        trainer: The trainer.
        saved: What :func:`optimizer_options` returned in the fit that is resumed.
        make_schedule: Makes the schedule of this fit for an optimizer of its own, at step 0.

    Raises:
        ConfigError: A callback has divided the weights into groups, so that the options of each
            are not in the config.
    """
    for optimizer, before in zip(trainer.optimizers, saved, strict=True):
        changed = {
            key: value for key, value in optimizer.defaults.items() if before.get(key) != value
        }
        if changed and len(optimizer.param_groups) > 1:
            raise ConfigError(
                f"optimizer.{next(iter(changed))}: the weights of this run are in "
                f"{len(optimizer.param_groups)} groups with options of their own, which a "
                "resumed run keeps; leave it out, or begin another run"
            )
        for group in optimizer.param_groups:
            group.update(changed)
    for config in trainer.lr_scheduler_configs:
        schedule = config.scheduler
        if isinstance(schedule, LRScheduler):
            planned = make_schedule()
            if planned is not None and len(schedule.optimizer.param_groups) == 1:
                _follow(schedule, _step(planned, schedule.last_epoch))


def _follow(schedule: LRScheduler, planned: LRScheduler) -> None:
    """Bring a restored schedule and its optimizer to where the planned one is."""
    same_rates = schedule.get_last_lr() == planned.get_last_lr()
    if same_rates and schedule.base_lrs == planned.base_lrs:
        return
    (group,), (planned_group,) = schedule.optimizer.param_groups, planned.optimizer.param_groups
    group.update({key: value for key, value in planned_group.items() if key != "params"})
    schedule.load_state_dict(planned.state_dict())


def _step(schedule: LRScheduler, steps: int) -> LRScheduler:
    with warnings.catch_warnings():
        # torch misses the steps of the optimizer, which has no weights to train.
        warnings.simplefilter("ignore")
        for _ in range(steps):
            schedule.step()
    return schedule
