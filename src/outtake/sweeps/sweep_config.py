"""What a sweep is told, in plain types."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outtake.core.errors import ConfigError
from outtake.core.redact import redact_tree
from outtake.sweeps.search_space import Parameter

_DIRECTIONS = ("maximize", "minimize")


@dataclass(frozen=True)
class Objective:
    """One thing that is sought.

    Attributes:
        name: in tables and plots.
        metric: a key of the trial's result, such as ``val/miou``.
        direction: ``maximize`` or ``minimize``.
        failed_value: what a trial that failed is worth where several objectives are sought.
    """

    name: str
    metric: str
    direction: str
    failed_value: float

    def is_better(self, one: float, other: float) -> bool:
        """Tell whether one value is better than another."""
        return one > other if self.direction == "maximize" else one < other


def parse_objectives(nodes: Mapping[str, Any]) -> list[Objective]:
    """Read the objectives.

    Raises:
        ConfigError: there is none, or one that makes no sense.
    """
    found = []
    for name, node in nodes.items():
        if node is None:
            continue
        try:
            objective = Objective(
                str(name), str(node["metric"]), str(node["direction"]), float(node["worst"])
            )
        except (TypeError, KeyError, ValueError) as error:
            raise ConfigError(
                f"objectives.{name}: give metric, direction and worst (of a failed trial)"
            ) from error
        if objective.direction not in _DIRECTIONS:
            raise ConfigError(
                f"objectives.{name}.direction={objective.direction}: allowed are "
                f"{' and '.join(_DIRECTIONS)}"
            )
        found.append(objective)
    if not found:
        raise ConfigError("objectives is empty; name what is sought, as conf/sweep.yaml does")
    return found


@dataclass(frozen=True)
class SweepConfig:
    """A search, and how its trials are run.

    Attributes:
        name: of the study.
        folder: where everything goes.
        parameters: the search space.
        objectives: one or more.
        fixed: overrides that every trial has.
        command: the program of a trial; overrides are appended.
        n_trials: how many results there shall be.
        n_jobs: how many trials run at once.
        retries: how often a trial is run again after the machine failed it.
        timeout_s: after so long a trial is ended, and that is its result; None: never.
        give_up_after: so many errors before anything worked end the sweep.
        storage: the address of the shared storage.
        sampler: ``kind`` and arguments.
        pruner: ``kind`` and arguments.
        seed: of the sampler.
        gpu_slots: for each place that a trial can take, the GPUs that it sees; empty: no GPUs.
        threads: CPU threads of a trial; None leaves it to the environment.
        resume_command: the command line that goes on with this sweep.
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
    def trials_folder(self) -> Path:
        """The folder of the trials' folders."""
        return self.folder / "trials"

    def trial_folder(self, number: int) -> Path:
        """The folder of one trial, which is its run folder too."""
        return self.trials_folder / trial_name(number)

    def overrides(self, params: Mapping[str, Any]) -> list[str]:
        """Return the command line of a trial, without its name."""
        searched = [p.override(params[p.name]) for p in self.parameters if p.name in params]
        return [*self.fixed, *searched]

    def identity(self) -> str:
        """Return what must stay the same when a sweep goes on, as JSON without secrets."""
        record = {
            "space": {p.name: [p.key, str(p.distribution)] for p in self.parameters},
            "objectives": {o.name: [o.metric, o.direction] for o in self.objectives},
            "fixed": list(self.fixed),
        }
        return json.dumps(redact_tree(record), sort_keys=True)


def trial_name(number: int) -> str:
    """Return the name of a trial's folder, such as ``0007``."""
    return f"{number:04d}"
