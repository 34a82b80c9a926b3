"""The settings of a sweep, in plain types, and the same search for W&B's server."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from outtake.config.program_options import ObjectiveOptions
from outtake.core.errors import ConfigError
from outtake.core.files import replace_text
from outtake.core.redact import redact_tree
from outtake.sweeps.search_space import Parameter, format_override_value


@dataclass(frozen=True)
class Objective:
    """One value that a sweep maximises or minimises.

    Attributes:
        name: The name in tables and charts.
        metric: A key of the trial's result, such as ``val/miou``.
        direction: ``maximize`` or ``minimize``.
        failed_value: The value of a trial that failed, where there are several objectives.
    """

    name: str
    metric: str
    direction: Literal["maximize", "minimize"]
    failed_value: float

    def is_better(self, one: float, other: float) -> bool:
        """Return whether one value is better than another."""
        return one > other if self.direction == "maximize" else one < other


def make_objectives(options: Mapping[str, ObjectiveOptions | None]) -> list[Objective]:
    """Return the objectives by their names; a null leaves one out.

    Raises:
        ConfigError: There is none.
    """
    objectives = [
        Objective(name, option.metric, option.direction, option.worst)
        for name, option in options.items()
        if option is not None
    ]
    if not objectives:
        raise ConfigError("objectives is empty; name what is sought, as conf/sweep.yaml does")
    return objectives


TRAIN_COMMAND = (sys.executable, "-m", "outtake.programs", "train")


@dataclass(frozen=True)
class SweepConfig:
    """A search, and how its trials are run.

    Attributes:
        name: The name of the study.
        folder: The folder of the sweep.
        parameters: The search space.
        objectives: One or more objectives.
        fixed: The overrides that every trial has.
        command: The program of a trial, to which overrides are appended.
        n_trials: The number of results.
        n_jobs: The number of trials that run at the same time.
        retries: How often a trial runs again after the machine failed it.
        timeout_s: The time after which a trial is ended, which is its result; None for no limit.
        give_up_after: The number of errors that end the sweep if no trial worked before.
        storage: The address of the shared storage.
        sampler: ``kind`` and arguments.
        pruner: ``kind`` and arguments.
        seed: The seed of the sampler.
        gpu_slots: The GPUs that a trial sees in each slot; empty without GPUs.
        threads: The CPU threads of a trial; None leaves them to the environment.
        resume_command: The command line that resumes this sweep.
    """

    name: str
    folder: Path
    parameters: Sequence[Parameter]
    objectives: Sequence[Objective]
    fixed: Sequence[str]
    command: Sequence[str]
    n_trials: int
    n_jobs: int
    retries: int
    timeout_s: float | None
    give_up_after: int
    storage: str
    sampler: Mapping[str, Any]
    pruner: Mapping[str, Any]
    seed: int
    gpu_slots: Sequence[str]
    threads: int | None
    resume_command: str

    @property
    def is_of_train(self) -> bool:
        """Whether trials are runs of ``outtake train`` and not of a program of one's own."""
        return list(self.command) == list(TRAIN_COMMAND)

    @property
    def trials_folder(self) -> Path:
        """The folder that holds the folders of the trials."""
        return self.folder / "trials"

    def trial_folder(self, number: int) -> Path:
        """Return the folder of one trial, which is its run folder too."""
        return self.trials_folder / trial_name(number)

    def overrides(self, params: Mapping[str, Any]) -> list[str]:
        """Return the overrides of a trial, without its name."""
        searched = [p.override(params[p.name]) for p in self.parameters if p.name in params]
        return [*self.fixed, *searched]

    def identity(self) -> str:
        """Return what must not change when a sweep is resumed, as JSON without secrets."""
        record = {
            "space": {p.name: [p.key, str(p.distribution)] for p in self.parameters},
            "objectives": {o.name: [o.metric, o.direction] for o in self.objectives},
            "fixed": list(self.fixed),
        }
        return json.dumps(redact_tree(record), sort_keys=True)


def trial_name(number: int) -> str:
    """Return the name of a trial's folder, such as ``0007``."""
    return f"{number:04d}"


def write_wandb_sweep(path: Path, sweep: SweepConfig) -> None:
    """Write what ``wandb sweep PATH`` takes; its agents then call ``train.py`` with overrides.

    Raises:
        ConfigError: The sweep has several objectives, and W&B's sweeps have one.
        OutputError: The file cannot be written.
    """
    record = redact_tree(to_wandb_sweep(sweep))
    replace_text(path, yaml.safe_dump(record, sort_keys=False, width=100))


def to_wandb_sweep(sweep: SweepConfig) -> dict[str, Any]:
    """Return a sweep as W&B's server describes one."""
    if len(sweep.objectives) > 1:
        raise ConfigError(
            "export_wandb: W&B's sweeps have one objective; this sweep has "
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
    is_whole = isinstance(distribution, IntDistribution)
    if step is not None and not (is_whole and step == 1):
        # W&B's own steps begin at 0 and turn whole numbers into floats.
        count = round((high - low) / step)
        return {"values": [low + index * step for index in range(count + 1)]}
    ends = {"min": low, "max": high}
    if distribution.log:
        rounded = {"distribution": "q_log_uniform_values", "q": 1}
        return {**(rounded if is_whole else {"distribution": "log_uniform_values"}), **ends}
    return {"distribution": "int_uniform" if is_whole else "uniform", **ends}


def _wandb_choice(choice: Any) -> Any:
    # W&B's agent writes a choice by str(): None and what needs quotes would not reach Hydra.
    is_numeric = isinstance(choice, bool | int | float)
    return choice if is_numeric else format_override_value(choice)
