"""What a run folder answers where its files are damaged, or hold another run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from outtake.core.errors import DataRootError, OutputError, RecordError
from outtake.runs.metrics_diff import read_records
from outtake.runs.run_folder import RunFolder


def begin(folder: Path, *files: str) -> RunFolder:
    """Make a run folder with some empty files."""
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return RunFolder(folder)


def test_the_data_of_a_run_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.check_data({"fingerprint": "a"})
    run.data.write_text('{"fingerprint": "a"}')
    run.check_data({"fingerprint": "a"})
    with pytest.raises(DataRootError, match="fingerprints differ"):
        run.check_data({"fingerprint": "b"})
    run.data.write_text('{"finger')
    with pytest.raises(RecordError, match=r"data\.json is not JSON .*; restore it"):
        run.check_data({"fingerprint": "a"})


def test_a_resumption_is_not_appended_to_half_a_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run, path = RunFolder(tmp_path), tmp_path / "resumptions.jsonl"
    run.log_resume(["seed=1"], {})
    path.write_text(path.read_text() + '{"time_s": 1, "over')
    run.log_resume(["seed=2"], {})
    assert [each["overrides"] for each in read_records(path)] == [["seed=1"], ["seed=2"]]
    assert "resumptions.jsonl ended in half a line" in caplog.text


@pytest.mark.parametrize(
    ("files", "advice"),
    [
        (["checkpoints/last.ckpt"], "resume it with resume="),
        (["checkpoints/previous.ckpt"], "resume it with resume="),
        ([], "before it saved a checkpoint, .*resume=auto, which begins it again"),
        (["summary.json"], "cannot be resumed, without .*delete it"),
    ],
)
def test_only_what_can_be_done_with_a_run_is_advised(
    tmp_path: Path, files: list[str], advice: str
) -> None:
    run = begin(tmp_path / "run", "config.yaml", *files)
    with pytest.raises(OutputError, match=advice) as caught:
        run.create()
    assert ("resume it with" in str(caught.value)) is run.has_saved()


def test_the_advice_for_a_run_that_saved_nothing_works(tmp_path: Path) -> None:
    run = begin(tmp_path / "run", "config.yaml", "metrics.jsonl")
    run.create(restart_empty=True)
    run.unlock()
    assert not run.metrics.exists()


@pytest.mark.parametrize("kind", ["half", "list", "pipe"])
def test_notes_that_cannot_be_read_are_not_taken_for_none(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "notes.json"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.write_text('{"tags": ["a"' if kind == "half" else json.dumps(["a"]))
    with pytest.raises(RecordError, match=r"notes\.json is not .*; repair it, or delete it"):
        RunFolder(tmp_path).read_notes()
