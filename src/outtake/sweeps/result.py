"""What a sweep found: a table for the terminal, a page with plots."""

from __future__ import annotations

import html
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial
from rich.markup import escape
from rich.table import Table

from outtake.core.errors import ConfigError
from outtake.core.files import replace_text
from outtake.core.redact import redact
from outtake.sweeps.study import RESULT_ATTR, SweepStudy, trial_status
from outtake.sweeps.sweep_config import SweepConfig
from outtake.sweeps.trial_result import TrialStatus

_TERMINAL_ROWS = 10
# Importances of less are noise.
_MIN_TRIALS_FOR_IMPORTANCE = 4
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1100px; color: #222;
       padding: 0 1rem; }
h1, h2 { font-weight: 600; } h2 { margin-top: 2.5rem; }
.scroll { overflow-x: auto; max-height: 32rem; }
table { border-collapse: collapse; font-size: 13px; width: 100%; }
th, td { text-align: left; padding: .25rem .7rem; border-bottom: 1px solid #ddd;
         white-space: nowrap; }
th { position: sticky; top: 0; background: #fff; }
.best { background: #e8f3e8; } .note { color: #666; }
"""


def rank_trials(sweep: SweepConfig, trials: SweepStudy) -> list[FrozenTrial]:
    """Return the trials that count: finished ones first, best first."""
    sign = -1 if sweep.objectives[0].direction == "maximize" else 1

    def key(trial: FrozenTrial) -> tuple[bool, float, int]:
        finished = trial_status(trial) is TrialStatus.FINISHED
        return (not finished, sign * trial.values[0] if finished else 0.0, trial.number)

    return sorted(trials.counted_trials(), key=key)


def count_statuses(trials: SweepStudy) -> str:
    """Return how many trials ended in which way, as a line."""
    found = Counter(str(trial_status(trial) or "unknown") for trial in trials.counted_trials())
    return ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in found.most_common())


def terminal_table(sweep: SweepConfig, trials: SweepStudy) -> Table:
    """Return the best trials as a table."""
    ordered = rank_trials(sweep, trials)
    table = Table(title=f"{sweep.name}: {count_statuses(trials)}")
    for heading in column_names(sweep):
        table.add_column(escape(heading), overflow="fold")
    winners = {trial.number for trial in trials.best_trials()}
    for trial in ordered[:_TERMINAL_ROWS]:
        style = "bold" if trial.number in winners else None
        table.add_row(*map(escape, trial_row(sweep, trial)), style=style)
    if len(ordered) > _TERMINAL_ROWS:
        table.caption = f"{len(ordered) - _TERMINAL_ROWS} more in report.html"
    return table


def column_names(sweep: SweepConfig) -> list[str]:
    """Return the headings of the table."""
    names = [objective.name for objective in sweep.objectives]
    return ["trial", "ending", *names, *(p.name for p in sweep.parameters)]


def trial_row(sweep: SweepConfig, trial: FrozenTrial) -> list[str]:
    """Return the cells of a trial."""
    values = [""] * len(sweep.objectives)
    if trial_status(trial) is TrialStatus.FINISHED:
        values = [f"{value:.4g}" for value in trial.values]
    params = [trial.params.get(parameter.name) for parameter in sweep.parameters]
    cells = [f"{v:.4g}" if isinstance(v, float) else redact(str(v)) for v in params]
    how = str(trial_status(trial) or "").replace("_", " ")
    return [str(trial.number), how, *values, *cells]


def write_report(path: Path, sweep: SweepConfig, trials: SweepStudy) -> None:
    """Write a page that needs no network: every trial, history, importances, coordinates.

    Raises:
        ConfigError: plotly is not installed.
        OutputError: the page can not be written.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise ConfigError("report.html needs plotly: pip install 'outtake[sweep]'") from error
    parts = [f"<h1>{html.escape(sweep.name)}</h1><p>{html.escape(count_statuses(trials))}</p>"]
    parts += _make_figures(sweep, trials)
    parts.append(_trials_table(sweep, trials))
    body = "\n".join(parts)
    replace_text(
        path,
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f"<title>{html.escape(sweep.name)}</title><style>{_STYLE}</style>"
        f"<script>{get_plotlyjs()}</script></head><body>{body}</body></html>\n",
    )


def _make_figures(sweep: SweepConfig, trials: SweepStudy) -> list[str]:
    shown = _plottable_study(trials)
    finished = [t for t in shown.trials if t.state == optuna.trial.TrialState.COMPLETE]
    if not finished:
        return ["<p class='note'>No trial finished: there is nothing to plot.</p>"]
    plots = optuna.visualization
    parts: list[str] = []
    if len(sweep.objectives) > 1:
        names = [objective.name for objective in sweep.objectives]
        if len(names) <= 3:
            parts += _make_figure(
                "Pareto front", partial(plots.plot_pareto_front, shown, target_names=names)
            )
    else:
        parts += _make_figure("Validations", partial(plots.plot_intermediate_values, shown))
    for index, objective in enumerate(sweep.objectives):
        target = _objective_value(index)
        options: dict[str, Any] = {"target": target, "target_name": objective.name}
        if len(sweep.objectives) == 1:
            options["target"] = None
        name = html.escape(objective.name)
        parts += _make_figure(
            f"History: {name}", partial(plots.plot_optimization_history, shown, **options)
        )
        parts += _make_figure(
            f"Parallel coordinates: {name}",
            partial(plots.plot_parallel_coordinate, shown, **options),
        )
        if len(finished) >= _MIN_TRIALS_FOR_IMPORTANCE:
            parts += _make_figure(
                f"Importance for {name}",
                partial(plots.plot_param_importances, shown, **options),
            )
        else:
            parts.append(
                f"<p class='note'>Importance needs {_MIN_TRIALS_FOR_IMPORTANCE} "
                "finished trials.</p>"
            )
    return parts


def _objective_value(index: int) -> Callable[[FrozenTrial], float]:
    return lambda trial: trial.values[index]


def _plottable_study(trials: SweepStudy) -> optuna.Study:
    """Return a study in memory of the trials that finished or were pruned."""
    study = optuna.create_study(directions=trials.study.directions)
    if trials.study.metric_names:
        study.set_metric_names(trials.study.metric_names)
    # The others leave a gap, so that numbers are those of the table.
    gap = optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL)
    shown = {
        t.number
        for t in trials.counted_trials()
        if trial_status(t) in (TrialStatus.FINISHED, TrialStatus.PRUNED)
    }
    everything = trials.study.get_trials(deepcopy=False)
    study.add_trials([trial if trial.number in shown else gap for trial in everything])
    return study


def _make_figure(title: str, draw: Callable[[], Any]) -> list[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            figure = draw()
    except (ValueError, RuntimeError) as error:
        # Optuna refuses what can not be computed, as importances where all values are equal.
        reason = html.escape(" ".join(str(error).split()))
        return [f"<h2>{title}</h2><p class='note'>{reason}</p>"]
    figure.update_layout(title=None, margin={"t": 40, "l": 80, "r": 80})
    text = figure.to_html(
        full_html=False, include_plotlyjs=False, include_mathjax=False,
        config={"displayModeBar": False}, default_height="460px",
    )  # fmt: skip
    return [f"<h2>{title}</h2>", text]


def _trials_table(sweep: SweepConfig, trials: SweepStudy) -> str:
    heads = "".join(f"<th>{html.escape(name)}</th>" for name in [*column_names(sweep), "said"])
    winners = {trial.number for trial in trials.best_trials()}
    lines = []
    for trial in rank_trials(sweep, trials):
        cells: Sequence[str] = [
            *trial_row(sweep, trial),
            str(trial.user_attrs.get(RESULT_ATTR, {}).get("message", "")),
        ]
        mark = " class='best'" if trial.number in winners else ""
        lines.append(f"<tr{mark}>{''.join(f'<td>{html.escape(c)}</td>' for c in cells)}</tr>")
    return (
        f"<h2>Trials</h2><div class='scroll'><table><thead><tr>{heads}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )
