from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from outtake.core.file_lock import FolderLock
from outtake.pages.live.live_run import LiveRun, find_pictures
from outtake.pages.live.live_runs import LiveRuns
from outtake.runs.run_ending import ENDING_FILE, LOCK_FILE, RunEnding
from outtake.runs.run_notes import NOTES_FILE, RunNotes

KEYS = ["train/loss"]
CONFIG = "trainer: {max_epochs: 4}\napi_key: sk-abcdefghijklmnopqrstuvwxyz0123456789\n"


def write_run(path: Path, steps: int = 3, *, time_s: float = 1000.0) -> Path:
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(CONFIG)
    lines = [
        {"step": i, "epoch": 0, "time_s": time_s + 2 * i, "train/loss": 3.0 - i, "lr-SGD": 0.1}
        for i in range(steps)
    ]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def described(path: Path) -> dict[str, Any]:
    run = LiveRun(path, path.name)
    run.look_again()
    return run.describe(KEYS)


@pytest.mark.parametrize(
    ("name", "content", "state"),
    [
        ("summary.json", {"best": {}}, "finished"),
        ("result.json", {"status": "diverged", "values": {}, "message": ""}, "diverged"),
        ("result.json", {"status": "pruned", "values": {}, "message": ""}, "stopped"),
        ("result.json", {"status": "out_of_memory", "values": {}, "message": ""}, "failed"),
        (ENDING_FILE, RunEnding("failed", "the disk is full").to_dict(), "failed"),
        (ENDING_FILE, RunEnding("stopped").to_dict(), "stopped"),
        (ENDING_FILE, {"state": ["odd"]}, "running"),
    ],
)
def test_the_state_is_what_the_folder_says(
    name: str, content: object, state: str, tmp_path: Path
) -> None:
    run = write_run(tmp_path / "run")
    (run / name).write_text(json.dumps(content))
    assert described(run)["state"] == state


@pytest.mark.parametrize(
    ("line", "config"),
    [
        ({"step": 1, "epoch": -1, "val/miou": 0.5}, CONFIG),
        ({"step": 99, "epoch": 0, "val/miou": 0.5}, "trainer: {max_epochs: 1e308}\n"),
    ],
)
def test_one_hostile_folder_keeps_no_other_from_being_shown(
    line: dict[str, Any], config: str, tmp_path: Path
) -> None:
    write_run(tmp_path / "good")
    bad = write_run(tmp_path / "bad")
    (bad / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    (bad / "config.yaml").write_text(config)
    runs = LiveRuns([tmp_path], KEYS, 0.1).newer_than(0)["runs"]
    assert {run["name"] for run in runs} == {"good", "bad"} and json.dumps(runs)


def test_a_run_whose_process_is_gone_is_stopped(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    assert described(run)["state"] == "running", "it may be at work on another machine"
    (run / LOCK_FILE).touch()
    os.utime(run / "metrics.jsonl", (1000, 1000))
    assert described(run)["state"] == "stopped", "the lock is there, and nobody holds it"
    lock = FolderLock(run / LOCK_FILE)
    lock.take()
    (run / "summary.json").write_text("{}")
    assert described(run)["state"] == "running"
    lock.release()
    assert described(run)["state"] == "finished"


def test_time_left_follows_the_pace_of_the_records(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 11, time_s=time.time() + 60)
    with (run / "metrics.jsonl").open("a") as file:
        # Eleven steps of four epochs are done, at two seconds each.
        last = {"step": 10, "epoch": 0, "time_s": time.time() + 80, "val/miou": 0.5}
        file.write(json.dumps(last) + "\n")
    shown = described(run)
    assert (shown["state"], shown["steps"], shown["lr"]) == ("running", 44, 0.1)
    assert shown["left_s"] == pytest.approx(34 * 2, rel=0.01)
    assert shown["curves"]["train/loss"]["x"] == list(range(11))


def test_runs_that_appear_and_grow_are_told_and_others_are_not(tmp_path: Path) -> None:
    first = write_run(tmp_path / "first")
    runs = LiveRuns([tmp_path], KEYS, 0)
    news = runs.newer_than(0)
    assert [run["name"] for run in news["runs"]] == ["first"]
    assert runs.newer_than(news["version"])["runs"] == []
    write_run(tmp_path / "sweep" / "trials" / "trial-0")
    later = runs.newer_than(news["version"])
    assert [run["name"] for run in later["runs"]] == ["sweep/trials/trial-0"]
    with (first / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 9, "train/loss": 0.25}) + "\n")
    (grown,) = runs.newer_than(later["version"])["runs"]
    assert grown["name"] == "first" and grown["loss"] == 0.25
    assert len(later["ids"]) == len(set(later["ids"])) == 2


def test_a_folder_without_runs_is_none_and_one_that_goes_is_forgotten(tmp_path: Path) -> None:
    runs = LiveRuns([tmp_path], KEYS, 0)
    assert runs.newer_than(0)["ids"] == []
    run = write_run(tmp_path / "run")
    assert len(runs.newer_than(0)["ids"]) == 1
    run.rename(tmp_path.parent / f"{tmp_path.name}-gone")
    assert runs.newer_than(0)["ids"] == []


def test_folders_are_looked_at_once_in_an_interval(tmp_path: Path) -> None:
    runs = LiveRuns([tmp_path], KEYS, 1000)
    runs.newer_than(0)
    write_run(tmp_path / "run")
    assert runs.newer_than(0)["ids"] == []


def test_the_curve_of_one_more_metric_can_be_had(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    (run,) = LiveRuns([tmp_path], KEYS, 0).newer_than(0, "lr-SGD")["runs"]
    assert list(run["curves"]) == ["train/loss", "lr-SGD"]


def test_secrets_of_messages_are_hidden(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    message = "failed with WANDB_API_KEY=0123456789abcdef0123456789abcdef01234567\x1b[31m"
    (run / ENDING_FILE).write_text(json.dumps({"state": "failed", "message": message}))
    shown = described(run)["message"]
    assert "0123456789abcdef" not in shown and "\x1b" not in shown and "failed with" in shown
    assert "sk-abc" not in json.dumps(described(run))


def write_picture(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), np.zeros((4, 12, 3), np.uint8))


def test_pictures_are_those_of_the_validation_inside_the_folder(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    write_picture(run / "images" / "val_epoch_0001.png")
    write_picture(run / "images" / "other.png")
    write_picture(tmp_path / "elsewhere" / "private.png")
    (run / "images" / "val_epoch_0002.png").symlink_to(tmp_path / "elsewhere" / "private.png")
    assert [path.name for path in find_pictures(run)] == ["val_epoch_0001.png"]
    runs = LiveRuns([tmp_path / "run"], KEYS, 0)
    (number,) = runs.newer_than(0)["ids"]
    assert runs.picture(number, 0) == (run / "images" / "val_epoch_0001.png").absolute()
    assert (
        runs.picture(number, 1) is runs.picture(number + 1, 0) is runs.picture(number, -1) is None
    )


def test_hidden_runs_are_shown_where_they_are_asked_for(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_run(tmp_path / name)
    (tmp_path / "b" / NOTES_FILE).write_text(json.dumps(RunNotes(hide=True).to_dict()))

    def names(runs: LiveRuns) -> list[str]:
        return sorted(run["name"] for run in runs.newer_than(0)["runs"])

    runs = LiveRuns([tmp_path], KEYS, 0)
    assert names(runs) == ["a"]
    assert names(LiveRuns([tmp_path], KEYS, 0, hidden=True)) == ["a", "b"]
    (tmp_path / "b" / NOTES_FILE).write_text(json.dumps(RunNotes().to_dict()))
    assert names(runs) == ["a", "b"]
