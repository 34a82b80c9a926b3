"""The page of a sweep: every trial in a table, and the charts that Optuna computes."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import optuna

from outtake.core.redact import redact_tree
from outtake.core.trees import map_leaves

# Importances of fewer trials are noise.
_MIN_TRIALS_FOR_IMPORTANCE = 4
_MAX_PARETO_OBJECTIVES = 3
# Tags that Optuna itself puts into the text of its charts, and that Plotly reads there.
_CHART_TAGS = ("<br>", "<extra>", "</extra>")


def make_charts(study: optuna.Study, objectives: Sequence[str]) -> list[dict[str, Any]]:
    """Return the charts of a study.

    Args:
        study: The study, which holds only trials that may be drawn.
        objectives: The names of its objectives.

    Returns:
        For each chart its ``title`` with a ``figure`` of Plotly, or with a ``note`` that says why
        there is none.
    """
    finished = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if not finished:
        return [_note("Charts", "No trial finished: there is nothing to plot.")]
    plots = optuna.visualization
    charts = []
    if len(objectives) == 1:
        charts.append(_chart("Validations", partial(plots.plot_intermediate_values, study)))
    elif len(objectives) <= _MAX_PARETO_OBJECTIVES:
        draw = partial(plots.plot_pareto_front, study, target_names=list(objectives))
        charts.append(_chart("Pareto front", draw))
    for index, name in enumerate(objectives):
        options: dict[str, Any] = {"target_name": name}
        if len(objectives) > 1:
            options["target"] = _objective_value(index)
        history = partial(plots.plot_optimization_history, study, **options)
        coordinates = partial(plots.plot_parallel_coordinate, study, **options)
        charts.append(_chart(f"History: {name}", history))
        charts.append(_chart(f"Parallel coordinates: {name}", coordinates))
        if len(finished) >= _MIN_TRIALS_FOR_IMPORTANCE:
            importance = partial(plots.plot_param_importances, study, **options)
            charts.append(_chart(f"Importance for {name}", importance))
        else:
            needed = f"Importance needs {_MIN_TRIALS_FOR_IMPORTANCE} finished trials."
            charts.append(_note(f"Importance for {name}", needed))
    return charts


def _objective_value(index: int) -> Callable[[optuna.trial.FrozenTrial], float]:
    return lambda trial: trial.values[index]


def _chart(title: str, draw: Callable[[], Any]) -> dict[str, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            figure = draw()
    except (ValueError, RuntimeError) as error:
        # Optuna refuses what cannot be computed, such as importances of equal values.
        return _note(title, " ".join(str(error).split()))
    if not figure.data:
        return _note(title, "The trials reported nothing to draw.")
    plain = map_leaves(_escape_chart_text, redact_tree(json.loads(figure.to_json())))
    return {"title": title, "note": None, "figure": plain}


def _note(title: str, note: str) -> dict[str, Any]:
    return {"title": title, "note": note, "figure": None}


def _escape_chart_text(value: Any) -> Any:
    # Plotly reads some tags in text, and names and choices of a search are anybody's.
    if not isinstance(value, str):
        return value
    text = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for tag in _CHART_TAGS:
        text = text.replace(tag.replace("<", "&lt;").replace(">", "&gt;"), tag)
    return text
