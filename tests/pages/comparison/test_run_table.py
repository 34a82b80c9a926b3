from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from benchmarks.pages.compare_runs import write_run
from outtake.core.errors import ConfigError
from outtake.pages.comparison.page_data import page_data
from outtake.pages.comparison.run_record import RunRecord, read_run
from outtake.pages.comparison.run_table import (
    RunFilter,
    describe_difference,
    parse_conditions,
    run_records,
    to_csv,
)
from outtake.runs.run_folder import RunFolder
from outtake.runs.run_notes import RunNotes

SMALL_RUN = {"records": 20, "validations": 5, "picture_px": 0}


def write_noted(folder: Path, notes: RunNotes, **options: object) -> RunRecord:
    write_run(folder, **SMALL_RUN, **options)
    RunFolder(folder).write_notes(notes)
    return read_run(folder, folder.name)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> list[RunRecord]:
    root = tmp_path_factory.mktemp("noted")
    return [
        write_noted(
            root / "=a", RunNotes(("good", "long"), "ablation", "=the first, best"), lr=0.1
        ),
        write_noted(root / "b", RunNotes(("good",), hide=True)),
        write_noted(root / "c", RunNotes(), seed=1),
    ]


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        (RunFilter(), ["=a", "c"]),
        (RunFilter(hidden=True), ["=a", "b", "c"]),
        (RunFilter(("good",), hidden=True), ["=a", "b"]),
        (RunFilter(("good", "long")), ["=a"]),
        (RunFilter(group="ablation"), ["=a"]),
        (RunFilter(settings=parse_conditions(["optimizer.lr=0.1"])), ["=a"]),
        (RunFilter(settings=parse_conditions(["optimizer.lr=0.1", "seed=1"])), []),
        (RunFilter(settings=parse_conditions(["optimizer.lr=1e-1"])), ["=a"]),
        (RunFilter(settings=parse_conditions(["optimizer.lr=1e-3", "seed=1.0"])), ["c"]),
        (RunFilter(settings=parse_conditions(["seed=true"])), []),
    ],
)
def test_runs_are_chosen_by_notes_and_settings(
    three: list[RunRecord], chosen: RunFilter, names: list[str]
) -> None:
    assert [run.name for run in three if chosen.accepts(run)] == names


@pytest.mark.parametrize(
    ("setting", "typed", "matches"),
    [
        (0.001, "1e-3", True),
        (1e-05, "0.00001", True),
        ("1e-3", "0.001", True),
        (True, "True", True),
        (True, "1", False),
        ("null", "null", True),
        ("null", "~", True),
        ("[64, 96]", "[64,96]", True),
        ("nan", "nan", True),
        ("a: b", "a: b", True),
        ("unet", "unet2", False),
    ],
)
def test_a_value_is_compared_as_a_config_means_it(
    setting: object, typed: str, matches: bool
) -> None:
    run = RunRecord(Path("x"), "x", settings={"key": setting})
    assert RunFilter(settings=(("key", typed),)).accepts(run) is matches


def test_a_setting_that_no_run_has_is_named(three: list[RunRecord]) -> None:
    for word, said in (
        (
            "optimzer.lr=0.1",
            r"optimzer\.lr=0\.1: no run has such a setting; did you mean optimizer\.lr",
        ),
        ("qqq=1", "no run has such a setting; --json - prints all"),
    ):
        with pytest.raises(ConfigError, match=said):
            RunFilter(settings=parse_conditions([word])).check_keys(three)
    RunFilter(settings=parse_conditions(["optimizer.lr=7"])).check_keys(three)


def test_a_condition_is_key_and_value() -> None:
    for word in ("lr", "=3"):
        with pytest.raises(ConfigError, match="must be KEY=VALUE"):
            parse_conditions([word])


def test_a_table_has_scores_notes_and_what_differs(three: list[RunRecord]) -> None:
    first, second, third = csv.DictReader(io.StringIO(to_csv(three)))
    assert float(first["score"]) == three[0].best["val/miou"]
    assert first["tags"] == "good long" and first["group"] == "ablation"
    assert first["optimizer.lr"] == "0.1" and third["seed"] == "1"
    assert "data.batch_size" not in second, "it is the same in all"
    assert first["name"] == "'=a" and first["note"].startswith("'="), "no formula of a spreadsheet"


def test_records_have_every_setting(three: list[RunRecord]) -> None:
    record = run_records(three)[0]
    assert record["settings"].keys() == three[0].settings.keys()
    assert record["tags"] == ["good", "long"] and record["hide"] is False


def test_two_runs_differ_in_settings_and_scores(three: list[RunRecord]) -> None:
    lines = describe_difference(three[0], three[1])
    assert "setting optimizer.lr: 0.1, 0.001" in lines
    assert not any("tags" in line or "note" in line for line in lines)
    assert describe_difference(three[0], three[0]) == []


def test_notes_stand_in_the_table_of_the_page_and_leave_seeds_grouped(
    three: list[RunRecord],
) -> None:
    data = page_data(three, "three")
    assert data["settings"][:3] == ["tags", "group", "note"]
    assert data["runs"][0]["settings"]["tags"] == "good, long"
    assert [group["members"] for group in data["groups"]] == [[0], [1, 2]]
    assert "tags" not in page_data(three[2:], "one")["settings"]
