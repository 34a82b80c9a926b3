"""What a sweep found: a table, a page with charts, and the experiment files of the winners."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial
from rich.markup import escape
from rich.table import Table

from outtake.config.compose import program_command
from outtake.config.experiment_file import list_hidden_keys, write_experiment
from outtake.core.errors import OuttakeError
from outtake.core.files import replace_text
from outtake.core.redact import redact, redact_overrides
from outtake.pages.html_page import render_page
from outtake.pages.sweep import make_charts
from outtake.sweeps.search_space import format_override_value
from outtake.sweeps.study import SweepStudy, trial_message, trial_status
from outtake.sweeps.sweep_config import SweepConfig
from outtake.sweeps.trial_result import TrialStatus

_TERMINAL_ROWS = 10

Cell = str | int | float | None


class SweepFailedError(OuttakeError):
    """A sweep of which no trial works."""


def rank_trials(sweep: SweepConfig, study: SweepStudy) -> list[FrozenTrial]:
    """Return the trials that count: the finished ones first, and the best first among them."""
    sign = -1 if sweep.objectives[0].direction == "maximize" else 1

    def key(trial: FrozenTrial) -> tuple[bool, float, int]:
        finished = trial_status(trial) is TrialStatus.FINISHED
        return (not finished, sign * trial.values[0] if finished else 0.0, trial.number)

    return sorted(study.counted_trials(), key=key)


def count_statuses(study: SweepStudy) -> str:
    """Return how many trials ended in which way, in one line."""
    found = Counter(str(trial_status(trial) or "unknown") for trial in study.counted_trials())
    return ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in found.most_common())


def terminal_table(sweep: SweepConfig, study: SweepStudy) -> Table:
    """Return the best trials as a table."""
    ranked = rank_trials(sweep, study)
    table = Table(title=f"{sweep.name}: {count_statuses(study)}")
    for name in column_names(sweep):
        table.add_column(escape(name), overflow="fold")
    winners = {trial.number for trial in study.best_trials()}
    for trial in ranked[:_TERMINAL_ROWS]:
        style = "bold" if trial.number in winners else None
        table.add_row(*(escape(_cell_text(cell)) for cell in trial_row(sweep, trial)), style=style)
    if len(ranked) > _TERMINAL_ROWS:
        table.caption = f"{len(ranked) - _TERMINAL_ROWS} more in report.html"
    return table


def column_names(sweep: SweepConfig) -> list[str]:
    """Return the headings of the table."""
    names = [objective.name for objective in sweep.objectives]
    return ["trial", "status", *names, *(parameter.name for parameter in sweep.parameters)]


def trial_row(sweep: SweepConfig, trial: FrozenTrial) -> list[Cell]:
    """Return the cells of a trial."""
    values: list[Cell] = [None] * len(sweep.objectives)
    if trial_status(trial) is TrialStatus.FINISHED:
        values = list(trial.values)
    params: list[Cell] = []
    for parameter in sweep.parameters:
        value = trial.params.get(parameter.name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        text = value if isinstance(value, str) else format_override_value(value)
        params.append(value if is_number else redact(text))
    status = str(trial_status(trial) or "").replace("_", " ")
    return [trial.number, status, *values, *params]


def _cell_text(cell: Cell) -> str:
    if cell is None:
        return ""
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def write_report(path: Path, sweep: SweepConfig, study: SweepStudy) -> None:
    """Write a page that needs no network: every trial, and the charts of the search.

    Raises:
        OutputError: The page cannot be written.
    """
    replace_text(path, render_page(sweep.name, "sweep", page_data(sweep, study)))


def page_data(sweep: SweepConfig, study: SweepStudy) -> dict[str, Any]:
    """Return what ``sweep.js`` draws."""
    winners = {trial.number for trial in study.best_trials()}
    objectives = [objective.name for objective in sweep.objectives]
    return {
        "title": sweep.name,
        "lead": count_statuses(study),
        "charts": make_charts(plottable_study(study), objectives),
        "columns": [*column_names(sweep), "message"],
        "rows": [
            {
                "cells": [*trial_row(sweep, trial), trial_message(trial)],
                "best": trial.number in winners,
            }
            for trial in rank_trials(sweep, study)
        ],
    }


def plottable_study(study: SweepStudy) -> optuna.Study:
    """Return a study in memory of the trials that finished or were pruned."""
    plottable = optuna.create_study(directions=study.study.directions)
    if study.study.metric_names:
        plottable.set_metric_names(study.study.metric_names)
    # The others leave a gap, so that the numbers are those of the table.
    gap = optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL)
    drawn = {
        trial.number
        for trial in study.counted_trials()
        if trial_status(trial) in (TrialStatus.FINISHED, TrialStatus.PRUNED)
    }
    trials = study.study.get_trials(deepcopy=False)
    plottable.add_trials([trial if trial.number in drawn else gap for trial in trials])
    return plottable


def command_of_winner(sweep: SweepConfig, trial: FrozenTrial, experiment: str) -> str:
    """Return the command that runs a trial again, secrets hidden.

    Args:
        sweep: The settings of the sweep.
        trial: The trial.
        experiment: The name of its experiment file, which only ``outtake train`` reads.
    """
    if not sweep.is_of_train:
        return shlex.join([*sweep.command, *redact_overrides(sweep.overrides(trial.params))])
    place = shlex.quote(str(sweep.folder))
    return f"{program_command('train')} --config-dir {place} experiment={experiment}"


def write_winners(sweep: SweepConfig, study: SweepStudy) -> Path:
    """Write the experiment file of the best trial, or one for each trial of the Pareto front.

    Returns:
        The path of ``best.yaml``.

    Raises:
        SweepFailedError: No trial finished.
        OutputError: A file cannot be written.
    """
    winners = study.best_trials()
    if not winners:
        last = study.counted_trials()[-1]
        raise SweepFailedError(
            "no trial finished, so there is no best.yaml; the last is "
            f"{str(trial_status(last) or 'pruned').replace('_', ' ')}: {trial_message(last)}"
        )
    folder = sweep.folder / "experiment"
    for stale in folder.glob("trial_*.yaml"):  # of an earlier front
        stale.unlink()
    for rank, trial in enumerate(winners):
        values = zip(sweep.objectives, trial.values, strict=True)
        scored = ", ".join(f"{objective.metric} {value:.6g}" for objective, value in values)
        overrides = sweep.overrides(trial.params)
        names = [f"trial_{trial.number:04d}"] if len(winners) > 1 else []
        for name in [*names, *(["best"] if rank == 0 else [])]:
            comment = (
                f"Trial {trial.number} of the sweep {sweep.name}: {scored}.\n"
                f"  {command_of_winner(sweep, trial, name)}"
            )
            if hidden := list_hidden_keys(overrides):
                comment += f"\nSecrets are hidden; give them again: {', '.join(hidden)}."
            write_experiment(folder / f"{name}.yaml", overrides, comment)
    return folder / "best.yaml"
