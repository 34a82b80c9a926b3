from __future__ import annotations

import json
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
from omegaconf import OmegaConf

from outtake.config.compose import compose
from outtake.core.errors import ConfigError, DataRootError, RecordError
from outtake.core.format_version import FORMAT_VERSION
from outtake.programs import training_records
from outtake.programs.tag import main, tag_runs
from outtake.programs.training_records import ResumptionRecorder, check_notes, write_run_records
from outtake.runs.run_folder import RunFolder
from outtake.runs.run_notes import RunNotes


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "runs" / "a")
    folder.create()
    (folder.path / "config.yaml").touch()
    folder.unlock()
    return folder


def test_notes_of_a_config_are_those_of_the_run(run: RunFolder) -> None:
    begun = compose("train", ["tags=[long,baseline]", "note=two words", "group=ablation"])
    write_run_records(run, begun, Mock(reports={}, unlabelled_report=None), [])
    assert run.read_notes() == RunNotes(("long", "baseline"), "ablation", "two words")


def test_notes_that_are_too_long_are_refused_and_not_cut(run: RunFolder) -> None:
    cfg = compose("train", [f"note={2001 * 'a'}"])
    for refuse in (check_notes, lambda cfg: write_run_records(run, cfg, Mock(), [])):
        with pytest.raises(ConfigError, match="note: 2001 characters; at most 2000 are kept"):
            refuse(cfg)
    assert not run.read_notes().note


def test_a_resumed_run_keeps_what_was_noted_since(run: RunFolder) -> None:
    run.write_notes(RunNotes(("good",), note="later"))
    changes = ["note=again"]
    ResumptionRecorder(run, compose("train", ["tags=[old]", *changes]), changes).write_notes()
    assert run.read_notes() == RunNotes(("good",), note="again")


def test_the_same_command_again_changes_no_note(run: RunFolder) -> None:
    given = ["tags=[old]", "note=a", "resume=auto"]
    (run.path / "environment.json").write_text(json.dumps({"format": FORMAT_VERSION}))
    (run.path / "config.yaml").write_text(OmegaConf.to_yaml(compose("train", given)))
    run.write_notes(RunNotes(("good",), note="later"))
    ResumptionRecorder(run, compose("train", given), given).write_notes()
    assert run.read_notes() == RunNotes(("good",), note="later")
    given[1] = "note=b"
    ResumptionRecorder(run, compose("train", given), given).write_notes()
    assert run.read_notes() == RunNotes(("good",), note="b")


def test_tags_are_added_and_taken_away(run: RunFolder, monkeypatch, capsys) -> None:
    command = ["tag.py", str(run.path), "--add", "good", "best", "--note", "a remark", "--hide"]
    monkeypatch.setattr(sys, "argv", command)
    main()
    assert "tags good, best; hidden; note: a remark" in capsys.readouterr().out
    tag_runs([run.path.parent], remove=["good"], hide=False)
    assert run.read_notes() == RunNotes(("best",), note="a remark")
    assert tag_runs([run.path]) == [("a", run.read_notes())]


def test_what_is_no_run_is_refused_before_anything_changes(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for absent in (tmp_path / "absent", tmp_path / "empty"):
        with pytest.raises(ConfigError, match="no such run"):
            tag_runs([run.path, absent], add=["x"])
    assert run.read_notes() == RunNotes()


def test_notes_of_somebody_else_are_not_trusted(run: RunFolder) -> None:
    (run.path / "notes.json").write_text('{"tags": "word", "hide": "yes", "note": null}')
    assert run.read_notes() == RunNotes()
    (run.path / "notes.json").write_text(json.dumps({"tags": ["a", 3, "a"] * 100, "note": 5}))
    assert run.read_notes() == RunNotes(("a", "3"), note="5")


def test_notes_that_cannot_be_read_are_kept(run: RunFolder, tmp_path: Path) -> None:
    other = tmp_path / "runs" / "b"
    other.mkdir()
    for path in (run.path, other):
        (path / "config.yaml").touch()
    (other / "notes.json").write_text('{"tags": ["worth", "keep')
    for changes in ({"add": ["x"]}, {}):
        with pytest.raises(RecordError, match=r"b/notes\.json is not JSON .*; repair it"):
            tag_runs([run.path, other], **changes)
    assert (other / "notes.json").read_text() == '{"tags": ["worth", "keep'
    assert run.read_notes() == RunNotes()


def test_a_resumption_that_changes_no_note_does_not_need_them(run: RunFolder) -> None:
    (run.path / "notes.json").write_text("{")
    ResumptionRecorder(run, compose("train", ["tags=[old]"]), ["seed=1"]).write_notes()
    assert (run.path / "notes.json").read_text() == "{"
    with pytest.raises(RecordError, match="repair it"):
        ResumptionRecorder(run, compose("train", ["note=x"]), ["note=x"]).write_notes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"add": [str(n) for n in range(51)]}, "tags: 51 of them; at most 50 are kept"),
        ({"note": 2001 * "a"}, "note: 2001 characters; at most 2000 are kept"),
        ({"add": ["good", " "]}, "tags: one of them is empty; give each a word"),
        ({"add": [2001 * "a"]}, "tag: 2001 characters; at most 2000 are kept"),
    ],
)
def test_what_is_not_read_again_is_refused(
    run: RunFolder, change: dict[str, object], message: str
) -> None:
    before = run.read_notes()
    with pytest.raises(ConfigError, match=message):
        tag_runs([run.path], **change)
    assert run.read_notes() == before


def test_a_resumption_that_is_refused_writes_nothing(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.write_notes(RunNotes(note="kept"))
    run.data.write_text('{"fingerprint": "a"}')
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    monkeypatch.setattr(training_records, "describe_data", lambda data: {"fingerprint": "b"})
    given = ["note=other"]
    with pytest.raises(DataRootError, match="fingerprints differ"):
        ResumptionRecorder(run, compose("train", given), given).check(Mock())
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before
