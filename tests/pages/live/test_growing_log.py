from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from outtake.pages.live import growing_log
from outtake.pages.live.growing_log import GrowingLog


def record(step: int, **values: object) -> str:
    named = {key.replace("_", "/"): value for key, value in values.items()}
    return json.dumps({"step": step, "epoch": step // 10, "time_s": 100.0 + step, **named}) + "\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_what_is_appended_is_read_once(path: Path) -> None:
    log = GrowingLog(path)
    assert not log.read_new(), "there is no file yet"
    append(path, record(1, train_loss=2.0))
    assert log.read_new() and not log.read_new()
    append(path, record(2, train_loss=1.0))
    assert log.read_new()
    assert log.values.records == 2
    assert log.values.curves == {"train/loss": ([1, 2], [2.0, 1.0])}


def test_only_what_is_new_is_read_from_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(path, "".join(record(step, train_loss=1.0) for step in range(1000)))
    log = GrowingLog(path)
    log.read_new()
    parsed: list[bytes] = []
    add = GrowingLog._add_line
    monkeypatch.setattr(
        GrowingLog, "_add_line", lambda s, line: (parsed.append(line), add(s, line))
    )
    append(path, record(1000, train_loss=1.0))
    assert log.read_new() and len(parsed) == 1 and log.values.records == 1001


def test_half_a_line_waits_for_its_end(path: Path) -> None:
    whole = record(1, train_loss=2.0)
    append(path, whole[:20])
    log = GrowingLog(path)
    assert not log.read_new()
    append(path, whole[20:])
    assert log.read_new() and log.values.last == {"train/loss": 2.0}


def test_a_log_that_is_cut_back_by_a_resumption_is_read_anew(path: Path) -> None:
    append(path, record(1, train_loss=2.0) + record(2, train_loss=9.0))
    log = GrowingLog(path)
    log.read_new()
    os.truncate(path, len(record(1, train_loss=2.0)))
    append(path, record(2, train_loss=1.5) + record(3, train_loss=1.0))
    assert log.read_new()
    assert log.values.curves["train/loss"] == ([1, 2, 3], [2.0, 1.5, 1.0])


def test_a_loss_that_is_no_number_is_noticed(path: Path) -> None:
    append(path, record(1, train_loss=2.0) + record(2, train_loss=None))
    log = GrowingLog(path)
    log.read_new()
    assert log.values.missing == {"train/loss"}
    append(path, record(3, train_loss=1.0))
    log.read_new()
    assert not log.values.missing


@pytest.mark.parametrize(
    "line", ["[1, 2]", "{", '{"step": "x"}', '{"step": 1e999}', "[" * 5000, '{"step": true}']
)
def test_what_is_no_record_is_passed_over(line: str, path: Path) -> None:
    append(path, line + "\n" + record(1, train_loss=2.0))
    log = GrowingLog(path)
    assert log.read_new() and log.values.records == 1


def test_a_log_without_end_is_read_in_parts_and_thinned_out(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growing_log, "MAX_BYTES_READ", 300)
    monkeypatch.setattr(growing_log, "MAX_POINTS", 10)
    append(path, "".join(record(step, train_loss=float(step)) for step in range(40)))
    log = GrowingLog(path)
    reads = sum(iter(log.read_new, False))
    steps, values = log.values.curves["train/loss"]
    assert reads > 5 and log.values.records == 40
    assert len(steps) < 10 and steps == values and steps[0] == 0 and steps[-1] == 39


def test_a_pipe_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    assert not GrowingLog(path).read_new()
