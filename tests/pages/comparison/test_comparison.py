"""What a comparison is made of: thin curves, fronts, settings, and folders in any state."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from outtake.pages.comparison.config_differences import (
    differing_keys,
    flatten_settings,
    group_by_seed,
)
from outtake.pages.comparison.curves import collect_curves
from outtake.pages.comparison.downsample_curves import downsample
from outtake.pages.comparison.find_runs import find_runs
from outtake.pages.comparison.pareto import pareto_front
from outtake.pages.comparison.run_record import read_run


def test_a_thinned_curve_keeps_its_ends_and_every_high_and_low() -> None:
    rng = np.random.default_rng(0)
    for count in (5, 100, 1000, 9999):
        values = rng.normal(size=count)
        values[rng.integers(count)] = 50
        values[rng.integers(count)] = -50
        for most in (4, 16, 61, 600):
            kept = downsample(values, most)
            assert len(kept) <= max(most, 4) and (np.diff(kept) > 0).all()
            assert kept[0] == 0 and kept[-1] == count - 1
            assert values[kept].max() == values.max() and values[kept].min() == values.min()
    assert (downsample(values[:50], 50) == np.arange(50)).all()


def test_each_stretch_keeps_its_own_spike() -> None:
    values = np.zeros(1000)
    values[[13, 250, 499, 731, 998]] = [3, -4, 5, -6, 7]
    kept = set(downsample(values, 100).tolist())
    assert {13, 250, 499, 731, 998} <= kept


def test_the_front_is_what_no_other_beats() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        times = rng.integers(1, 12, 20).tolist()
        scores = (rng.integers(1, 12, 20) / 12).tolist()
        front = pareto_front(times, scores)
        points = list(zip(times, scores, strict=True))

        def beaten(p: tuple[float, float], points=points) -> bool:
            return any(q != p and q[0] <= p[0] and q[1] >= p[1] for q in points)

        assert {points[i] for i in front} == {p for p in points if not beaten(p)}
        assert [times[i] for i in front] == sorted({times[i] for i in front})


def test_only_what_differs_is_a_difference() -> None:
    one = flatten_settings(
        {"name": "a", "seed": 1, "optimizer": {"lr": 0.1, "wd": 0}, "l": [1, [2, None]]}
    )
    two = flatten_settings(
        {"name": "b", "seed": 1, "optimizer": {"lr": 0.2, "wd": 0}, "l": [1, [2, None]]}
    )
    assert one["l"] == "[1, [2, null]]"
    assert differing_keys([one, two]) == ["optimizer.lr"]
    assert differing_keys([one, {**two, "seed": 2}]) == ["seed", "optimizer.lr"]
    assert differing_keys([{"a": 1}, {"a": True}]) == ["a"], "1 and true are not the same setting"
    assert differing_keys([{"a": None}, {}]) == [] and differing_keys([{"a": "null"}, {}]) == ["a"]


def test_runs_that_differ_by_seed_alone_are_siblings() -> None:
    base = {"name": "x", "seed": 0, "paths.runs": "here", "optimizer.lr": 0.1}
    runs = [
        base,
        {**base, "seed": 1, "name": "y", "paths.runs": "there"},
        {**base, "optimizer.lr": 0.2},
        {},
        {},
        base,
    ]
    assert group_by_seed(runs, ["d"] * 5 + ["other data"]) == [[0, 1], [2], [3], [4], [5]]


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


def test_a_metric_that_the_first_of_a_group_lacks_has_its_band(tmp_path: Path) -> None:
    young = read_run(metrics(tmp_path / "a", record(1, loss=1.0)), "a")
    whole = [
        read_run(
            metrics(tmp_path / name, record(1, loss=2.0), record(2, **{"val/miou": score})), name
        )
        for name, score in (("b", 0.4), ("c", 0.6))
    ]
    drawn = collect_curves([young, *whole], [[0, 1, 2]])
    (band,) = drawn["bands"]["val/miou"]
    assert band["x"] == [2] and band["y"] == [0.5] and band["group"] == 0
    assert len(drawn["bands"]["loss"]) == 1
    assert collect_curves([whole[0], young, whole[1]], [[0, 1, 2]])["bands"] == drawn["bands"]


def test_secrets_of_a_foreign_config_are_hidden(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        "wandb: {api_key: canary1, entity: me}\ncredentials: {user: canary2}\nurl: https://u:canary3@h/\n"
    )
    settings = read_run(metrics(tmp_path, GOOD), "x").settings
    assert "canary" not in str(settings) and settings["wandb.entity"] == "me"


def test_run_folders_are_found_in_order_and_named_apart(tmp_path: Path) -> None:
    for name in ("b", "multirun/t/10", "multirun/t/2", "multirun/t/0"):
        (tmp_path / name).mkdir(parents=True)
        metrics(tmp_path / name, GOOD)
    (tmp_path / "void").mkdir()
    (tmp_path / "page.html").touch()
    found = find_runs(sorted(tmp_path.iterdir()))
    assert [name for _, name in found] == [
        "b", "multirun/t/0", "multirun/t/2", "multirun/t/10", "void",
    ]  # fmt: skip
    assert find_runs([tmp_path / "page.html"]) == []
    assert len(find_runs([tmp_path / "b", tmp_path / "b"])) == 1
