"""Run folders in any state, read without trust."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from outtake.pages.comparison.run_record import read_run


def test_aliases_that_multiply_are_refused_and_not_unfolded(tmp_path: Path) -> None:
    lines = ["a0: &a0 {x: 1, y: 2}"]
    lines += [f"a{i}: &a{i} {{p: *a{i - 1}, q: *a{i - 1}, r: *a{i - 1}}}" for i in range(1, 40)]
    (tmp_path / "config.yaml").write_text("\n".join(lines))
    run = read_run(tmp_path, "bomb")
    assert run.state == "broken" and "settings" in run.problems[0]


def metrics(folder: Path, *lines: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "metrics.jsonl").write_text("\n".join(lines))
    return folder


def record(step: int, **values: float) -> str:
    return json.dumps({"step": step, "epoch": 0, "time_s": 1.0, **values})


GOOD = record(1, **{"val/miou": 0.4})


def nested(folder: Path) -> None:
    (folder / "config.yaml").write_text("[" * 100_000)


def nested_lists(folder: Path) -> None:
    (folder / "config.yaml").write_text("- " * 100_000)


def a_pipe(folder: Path) -> None:
    os.mkfifo(folder / "metrics.jsonl")


def a_list(folder: Path) -> None:
    (folder / "summary.json").write_text("[1]")


def not_text(folder: Path) -> None:
    (folder / "config.yaml").write_bytes(bytes(range(256)))


def no_json(folder: Path) -> None:
    (folder / "summary.json").write_text("{")


@pytest.mark.parametrize("spoil", [nested, nested_lists, a_pipe, a_list, not_text, no_json])
def test_a_broken_run_has_a_reason(tmp_path: Path, spoil) -> None:
    spoil(tmp_path)
    run = read_run(tmp_path, "x")
    assert run.state == "broken" and run.problems and not run.is_drawable
    assert "\n" not in run.problems[0]


def test_empty_and_unfinished_runs_are_told_from_finished_ones(tmp_path: Path) -> None:
    assert read_run(tmp_path, "x").state == "empty"
    run = read_run(metrics(tmp_path, GOOD), "x")
    assert run.state == "unfinished" and "summary.json" in run.problems[0] and run.is_drawable
    (tmp_path / "summary.json").write_text(json.dumps({"best": {"val/miou": 0.4}}))
    assert read_run(tmp_path, "x").state == "finished"


def test_a_run_without_a_summary_says_how_it_ended(tmp_path: Path) -> None:
    ended = {"state": "diverged", "message": "the loss became nan\nat_step 1"}
    (tmp_path / "ended.json").write_text(json.dumps(ended))
    (tmp_path / "config.yaml").write_text("seed: 0")
    run = read_run(tmp_path, "x")
    assert run.state == "empty"
    assert run.problems == ["nothing was logged: diverged: the loss became nan at_step 1"]
    (tmp_path / "ended.json").unlink()
    (tmp_path / "result.json").write_text(json.dumps({"status": "timed_out", "message": ""}))
    assert read_run(metrics(tmp_path, GOOD), "x").problems == ["no summary.json: timed out"]
    (tmp_path / "summary.json").write_text("{")
    problems = read_run(tmp_path, "x").problems
    assert len(problems) == 1 and problems[0].startswith("summary.json cannot be read")


def test_half_a_last_line_is_what_a_kill_leaves_and_no_problem(tmp_path: Path) -> None:
    killed = read_run(metrics(tmp_path, GOOD, '{"step": 2, "val/mi'), "x")
    assert len(killed.problems) == 1 and "summary.json" in killed.problems[0]
    damaged = read_run(metrics(tmp_path, "[]", GOOD, "{", GOOD), "x")
    assert "2 lines" in damaged.problems[0]


def test_values_that_are_no_numbers_are_passed_over(tmp_path: Path) -> None:
    odd = (
        '{"step": 3, "a": NaN, "b": "x", "c": true, "d": [1], "e": 1e400, "f": 2, "g": 1'
        + "0" * 400
        + "}"
    )
    run = read_run(metrics(tmp_path, odd, '{"step": null, "f": 7}', GOOD), "x")
    assert set(run.curves) == {"f", "val/miou"}
    assert run.curves["f"].values.tolist() == [2.0]


def test_what_a_resumed_run_logged_again_counts_once(tmp_path: Path) -> None:
    lines = [
        record(1, a=1.0),
        record(2, a=2.0),
        record(3, a=3.0),
        record(2, a=20.0),
        record(3, a=30.0),
    ]
    curve = read_run(metrics(tmp_path, *lines), "x").curves["a"]
    assert curve.steps.tolist() == [1, 2, 3] and curve.values.tolist() == [1, 20, 30]


def test_the_picture_is_that_of_the_best_validation_and_not_only_of_its_epoch(
    tmp_path: Path,
) -> None:
    lines = [record(1, **{"val/miou": 0.1}), record(3, **{"val/miou": 0.5})]
    run = metrics(tmp_path, *lines, record(5, **{"val/miou": 0.2}))
    (run / "images").mkdir()

    def picture(*names: str) -> str:
        for old in (run / "images").iterdir():
            old.unlink()
        for name in names:
            (run / "images" / name).touch()
        found = read_run(run, "x").picture
        return found.name if found else ""

    steps = [f"val_epoch_0000_step_{step:06d}.png" for step in (2, 4, 6)]
    assert picture(*steps) == steps[1]
    assert picture(steps[0], "val_epoch_0000_step_000003.png", steps[2]).endswith("03.png")
    assert picture("val_epoch_0000.png", "val_epoch_0001.png") == "val_epoch_0000.png"
    assert picture(*steps[::2], "val_epoch_0000.png") == "val_epoch_0000.png"
    assert picture(*steps, "val_epoch_0000.png") == steps[1]
    assert picture(*steps[::2]) == steps[2], "the last one"
    assert picture("val_epoch_0001_step_1000000.png", "val_epoch_0001_step_999999.png") == (
        "val_epoch_0001_step_1000000.png"
    )
    assert picture("val_epoch_x.png", "worst_epoch_0000.png") == ""


def test_secrets_of_a_foreign_config_are_hidden(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        "wandb: {api_key: canary1, entity: me}\ncredentials: {user: canary2}\nurl: https://u:canary3@h/\n"
    )
    settings = read_run(metrics(tmp_path, GOOD), "x").settings
    assert "canary" not in str(settings) and settings["wandb.entity"] == "me"
