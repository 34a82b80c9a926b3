"""The table and the page of a sweep."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from pathlib import Path
from typing import Any

import optuna

from outtake.sweeps.result import (
    command_of_winner,
    page_data,
    plottable_study,
    terminal_table,
    trial_row,
    write_report,
)
from outtake.sweeps.search_space import parse_space
from outtake.sweeps.study import SweepStudy
from outtake.sweeps.sweep_config import TRAIN_COMMAND
from tests.sweeps.one_line_trials import (
    FORWARD,
    LEAVE,
    MIOU,
    TRIAL,
    drive,
    make_sweep,
)


def page_data_of(page: Path) -> dict[str, Any]:
    block = re.search(
        r'<script type="application/json" id="data">([^<]*)</script>', page.read_text()
    )
    assert block
    return json.loads(block[1])


def test_the_page_needs_no_network_and_shows_every_trial(tmp_path: Path) -> None:
    code = TRIAL + "given['name'] == '0002' and sys.exit('<b>bold</b>')\n" + LEAVE
    sweep = make_sweep(tmp_path, code, n_trials=6)
    study = drive(sweep)
    page = tmp_path / "report.html"
    write_report(page, sweep, study)
    text = page.read_text()
    assert page.stat().st_size < 2_500_000
    assert "default-src 'none'" in text.replace("&#39;", "'") and "<b>bold" not in text
    assert len(re.findall("<script", text.partition("const DATA")[0])) == 3
    data = page_data_of(page)
    assert [chart["title"] for chart in data["charts"]] == [
        "Validations", "History: miou", "Parallel coordinates: miou", "Importance for miou",
    ]  # fmt: skip
    assert data["columns"] == ["trial", "status", "miou", "x", "message"]
    assert [row["cells"][0] for row in data["rows"]][-1] == 2, "what failed comes last"
    assert data["rows"][-1]["cells"][-1] == "<b>bold</b>" and len(data["rows"]) == 6
    assert [row["best"] for row in data["rows"]] == [True] + 5 * [False]
    numbers = [trial.number for trial in plottable_study(study).trials if trial.values]
    assert numbers == [trial.number for trial in study.counted_trials() if trial.values]
    assert terminal_table(sweep, study).row_count == 6
    (winner,) = study.best_trials()
    command = shlex.split(command_of_winner(sweep, winner, "best"))
    assert command == [*sweep.command, *sweep.overrides(winner.params)], "no outtake train"
    of_train = dataclasses.replace(sweep, command=list(TRAIN_COMMAND))
    assert command_of_winner(of_train, winner, "best").endswith(" experiment=best")


def test_the_page_of_a_front_and_of_nothing(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "a", objectives=[MIOU, FORWARD], n_trials=5)
    charts = page_data(sweep, drive(sweep))["charts"]
    assert charts[0]["title"] == "Pareto front" and charts[0]["figure"]["data"]
    empty = make_sweep(tmp_path / "b")
    (note,) = page_data(empty, SweepStudy(empty))["charts"]
    assert "No trial finished" in note["note"]


def test_names_and_choices_of_a_search_are_text_in_charts(tmp_path: Path) -> None:
    evil = "<a href='javascript:alert(1)'>x</a>"
    space = parse_space(
        {"x": {"low": 0.0, "high": 1.0}, evil: {"key": "e", "choices": [evil, "b"]}}
    )
    sweep = make_sweep(tmp_path, parameters=space, n_trials=4)
    figures = json.dumps([chart["figure"] for chart in page_data(sweep, drive(sweep))["charts"]])
    assert "<a href" not in figures and "&lt;a href" in figures


def test_choices_are_written_as_on_a_command_line(tmp_path: Path) -> None:
    space = parse_space({"x": {"choices": [None, True, "a b", 2]}})
    sweep = make_sweep(tmp_path, parameters=space)
    for value, shown in ((None, "null"), (True, "true"), ("a b", "a b"), (2, 2)):
        trial = optuna.trial.create_trial(
            params={"x": value}, distributions={"x": space[0].distribution}, value=0.0
        )
        assert trial_row(sweep, trial)[-1] == shown
