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
from outtake.sweeps.study import OUTCOME, SweepStudy, ending
from outtake.sweeps.sweep_config import Sweep
from outtake.sweeps.trial_result import Ending

_ROWS = 10
# Importances of less are noise.
_FEW_TRIALS = 4
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


def order(sweep: Sweep, trials: SweepStudy) -> list[FrozenTrial]:
    """Return the trials that count: finished ones first, best first."""
    sign = -1 if sweep.objectives[0].direction == "maximize" else 1

    def key(trial: FrozenTrial) -> tuple[bool, float, int]:
        finished = ending(trial) is Ending.FINISHED
        return (not finished, sign * trial.values[0] if finished else 0.0, trial.number)

    return sorted(trials.results(), key=key)


def counts(trials: SweepStudy) -> str:
    """Return how many trials ended in which way, as a line."""
    found = Counter(str(ending(trial) or "unknown") for trial in trials.results())
    return ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in found.most_common())


def terminal_table(sweep: Sweep, trials: SweepStudy) -> Table:
    """Return the best trials as a table."""
    ordered = order(sweep, trials)
    table = Table(title=f"{sweep.name}: {counts(trials)}")
    for heading in columns(sweep):
        table.add_column(escape(heading), overflow="fold")
    winners = {trial.number for trial in trials.best()}
    for trial in ordered[:_ROWS]:
        style = "bold" if trial.number in winners else None
        table.add_row(*map(escape, row(sweep, trial)), style=style)
    if len(ordered) > _ROWS:
        table.caption = f"{len(ordered) - _ROWS} more in report.html"
    return table


def columns(sweep: Sweep) -> list[str]:
    """Return the headings of the table."""
    names = [objective.name for objective in sweep.objectives]
    return ["trial", "ending", *names, *(p.name for p in sweep.parameters)]


def row(sweep: Sweep, trial: FrozenTrial) -> list[str]:
    """Return the cells of a trial."""
    values = [""] * len(sweep.objectives)
    if ending(trial) is Ending.FINISHED:
        values = [f"{value:.4g}" for value in trial.values]
    params = [trial.params.get(parameter.name) for parameter in sweep.parameters]
    cells = [f"{v:.4g}" if isinstance(v, float) else redact(str(v)) for v in params]
    how = str(ending(trial) or "").replace("_", " ")
    return [str(trial.number), how, *values, *cells]


def write_report(path: Path, sweep: Sweep, trials: SweepStudy) -> None:
    """Write a page that needs no network: every trial, history, importances, coordinates.

    Raises:
        ConfigError: plotly is not installed.
        OutputError: the page can not be written.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise ConfigError("report.html needs plotly: pip install 'outtake[sweep]'") from error
    parts = [f"<h1>{html.escape(sweep.name)}</h1><p>{html.escape(counts(trials))}</p>"]
    parts += _figures(sweep, trials)
    parts.append(_html_table(sweep, trials))
    body = "\n".join(parts)
    replace_text(
        path,
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f"<title>{html.escape(sweep.name)}</title><style>{_STYLE}</style>"
        f"<script>{get_plotlyjs()}</script></head><body>{body}</body></html>\n",
    )


def _figures(sweep: Sweep, trials: SweepStudy) -> list[str]:
    shown = _shown(trials)
    finished = [t for t in shown.trials if t.state == optuna.trial.TrialState.COMPLETE]
    if not finished:
        return ["<p class='note'>No trial finished: there is nothing to plot.</p>"]
    plots = optuna.visualization
    parts: list[str] = []
    if len(sweep.objectives) > 1:
        names = [objective.name for objective in sweep.objectives]
        if len(names) <= 3:
            parts += _figure(
                "Pareto front", partial(plots.plot_pareto_front, shown, target_names=names)
            )
    else:
        parts += _figure("Validations", partial(plots.plot_intermediate_values, shown))
    for index, objective in enumerate(sweep.objectives):
        target = _target(index)
        options: dict[str, Any] = {"target": target, "target_name": objective.name}
        if len(sweep.objectives) == 1:
            options["target"] = None
        name = html.escape(objective.name)
        parts += _figure(
            f"History: {name}", partial(plots.plot_optimization_history, shown, **options)
        )
        parts += _figure(
            f"Parallel coordinates: {name}",
            partial(plots.plot_parallel_coordinate, shown, **options),
        )
        if len(finished) >= _FEW_TRIALS:
            parts += _figure(
                f"Importance for {name}",
                partial(plots.plot_param_importances, shown, **options),
            )
        else:
            parts.append(f"<p class='note'>Importance needs {_FEW_TRIALS} finished trials.</p>")
    return parts


def _target(index: int) -> Callable[[FrozenTrial], float]:
    return lambda trial: trial.values[index]


def _shown(trials: SweepStudy) -> optuna.Study:
    """Return a study in memory of the trials that finished or were pruned."""
    study = optuna.create_study(directions=trials.study.directions)
    if trials.study.metric_names:
        study.set_metric_names(trials.study.metric_names)
    # The others leave a gap, so that numbers are those of the table.
    gap = optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL)
    shown = {t.number for t in trials.results() if ending(t) in (Ending.FINISHED, Ending.PRUNED)}
    everything = trials.study.get_trials(deepcopy=False)
    study.add_trials([trial if trial.number in shown else gap for trial in everything])
    return study


def _figure(title: str, draw: Callable[[], Any]) -> list[str]:
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


def _html_table(sweep: Sweep, trials: SweepStudy) -> str:
    heads = "".join(f"<th>{html.escape(name)}</th>" for name in [*columns(sweep), "said"])
    winners = {trial.number for trial in trials.best()}
    lines = []
    for trial in order(sweep, trials):
        cells: Sequence[str] = [
            *row(sweep, trial),
            str(trial.user_attrs.get(OUTCOME, {}).get("message", "")),
        ]
        mark = " class='best'" if trial.number in winners else ""
        lines.append(f"<tr{mark}>{''.join(f'<td>{html.escape(c)}</td>' for c in cells)}</tr>")
    return (
        f"<h2>Trials</h2><div class='scroll'><table><thead><tr>{heads}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )
