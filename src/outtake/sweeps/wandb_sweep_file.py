"""The same search space as a sweep of wandb's server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from outtake.core.errors import ConfigError
from outtake.core.files import replace_text
from outtake.core.redact import redact_tree
from outtake.sweeps.search_space import format_override_value
from outtake.sweeps.sweep_config import SweepConfig


def write_wandb_sweep(path: Path, sweep: SweepConfig) -> None:
    """Write what ``wandb sweep PATH`` takes; its agents then call ``train.py`` with overrides.

    Raises:
        ConfigError: wandb's sweeps know one objective only.
        OutputError: the file can not be written.
    """
    replace_text(
        path, yaml.safe_dump(redact_tree(to_wandb_sweep(sweep)), sort_keys=False, width=100)
    )


def to_wandb_sweep(sweep: SweepConfig) -> dict[str, Any]:
    """Return a sweep as wandb's server describes one."""
    if len(sweep.objectives) > 1:
        raise ConfigError(
            "export_wandb: wandb's sweeps know one objective; this sweep has "
            f"{', '.join(objective.name for objective in sweep.objectives)}"
        )
    objective = sweep.objectives[0]
    record: dict[str, Any] = {
        "name": sweep.name,
        "program": "train.py",
        "method": "random" if sweep.sampler.get("kind") == "RandomSampler" else "bayes",
        "metric": {"name": objective.metric, "goal": objective.direction},
        "run_cap": sweep.n_trials,
        "parameters": {p.key: _wandb_parameter(p.distribution) for p in sweep.parameters},
    }
    if sweep.pruner.get("kind") != "NopPruner":
        record["early_terminate"] = {"type": "hyperband", "min_iter": 3}
    # Hydra takes KEY=VALUE without dashes.
    record["command"] = [
        "${env}", "${interpreter}", "${program}", *sweep.fixed, "${args_no_hyphens}",
    ]  # fmt: skip
    return record


def _wandb_parameter(distribution: BaseDistribution) -> dict[str, Any]:
    if isinstance(distribution, CategoricalDistribution):
        return {"values": [_wandb_choice(choice) for choice in distribution.choices]}
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    low, high, step = distribution.low, distribution.high, distribution.step
    whole = isinstance(distribution, IntDistribution)
    if step is not None and not (whole and step == 1):
        # wandb's own steps begin at 0, and make floats of whole numbers.
        count = round((high - low) / step)
        return {"values": [low + index * step for index in range(count + 1)]}
    ends = {"min": low, "max": high}
    if distribution.log:
        rounded = {"distribution": "q_log_uniform_values", "q": 1}
        return {**(rounded if whole else {"distribution": "log_uniform_values"}), **ends}
    return {"distribution": "int_uniform" if whole else "uniform", **ends}


def _wandb_choice(choice: Any) -> Any:
    # Its agent writes a choice by str(): None and what needs quotes would not reach Hydra.
    numeric = isinstance(choice, bool | int | float)
    return choice if numeric else format_override_value(choice)
