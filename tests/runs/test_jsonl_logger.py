"""The log of a run that a crash or a copy has cut short."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from outtake.programs.training_records import find_best_record
from outtake.runs.jsonl_logger import JsonlLogger
from outtake.runs.metrics_diff import read_records


def test_half_a_line_does_not_swallow_the_next_record(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "metrics.jsonl"
    logger = JsonlLogger(path)
    for step in range(3):
        logger.log_metrics({"epoch": 0.0, "val/miou": 0.1 * step}, step)
    saved = logger.state_dict()
    path.write_bytes(path.read_bytes()[:-20])  # copied while it was written
    logger.load_state_dict(saved)
    logger.write_held()
    assert "half a line" in caplog.text and len(caplog.records) == 1
    logger.log_metrics({"epoch": 1.0, "val/miou": 0.9}, 3)
    assert [record["step"] for record in read_records(path)] == [0, 1, 3]


def test_a_line_that_cannot_be_read_does_not_end_a_training_at_its_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(
        '{"step": 1, "val/miou": 0.2}\n{"step": 2, "va{"step": 3, "val/miou": 0.9}\n'
        '{"step": 4, "val/miou": 0.4}\n{"step": 5, "val/miou": null}\n'
    )
    assert find_best_record(path)["step"] == 4
    assert "1 of 4 lines cannot be read and are left out, the first is line 2" in caplog.text
    assert find_best_record(tmp_path / "absent") == {}


def test_a_resumed_run_writes_nothing_before_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    first = JsonlLogger(path)
    first.log_metrics({"train/loss": 1.0}, step=0)
    saved = first.state_dict()
    first.log_metrics({"train/loss": 2.0}, step=1)
    before = path.read_bytes()
    for status in ("failed", "success"):
        logger = JsonlLogger(path)
        logger.load_state_dict(saved)
        logger.log_metrics({"train/loss": 3.0}, step=1)
        assert path.read_bytes() == before and logger.state_dict() == saved
        logger.finalize(status)
        assert (path.read_bytes() == before) == (status == "failed")
    logger.log_metrics({"train/loss": 4.0}, step=2)
    losses = [json.loads(line)["train/loss"] for line in path.read_text().splitlines()]
    assert losses == [1.0, 3.0, 4.0]
