from __future__ import annotations

import json
from pathlib import Path

import pytest

from outtake.core.errors import RecordError
from outtake.runs.metrics_diff import first_mismatch, read_records

BEFORE = [
    {"step": 1, "epoch": 0, "time_s": 1.0, "train/loss": 0.5},
    {"step": 2, "epoch": 0, "time_s": 2.0, "train/loss": 0.25, "train/samples_per_second": 9.0},
]


def changed(number: int, **values: object) -> list[dict]:
    return [
        {**record, **values} if index == number else dict(record)
        for index, record in enumerate(BEFORE)
    ]


def test_clocks_may_differ_and_nothing_else() -> None:
    now = changed(1, **{"time_s": 99.0, "train/samples_per_second": 1.0})
    assert first_mismatch(BEFORE, now) is None
    parted = first_mismatch(BEFORE, changed(1, **{"train/loss": 0.25000000000000006}))
    assert parted is not None and parted["step"] == 2 and parted["key"] == "train/loss"
    assert (parted["before"], parted["now"]) == (0.25, 0.25000000000000006)


@pytest.mark.parametrize(
    ("now", "key"),
    [
        (changed(0, **{"train/extra": 1.0}), "train/extra"),
        (BEFORE[:1], "number of records"),
        ([*BEFORE, {"step": 3, "epoch": 0}], "number of records"),
        ([], "number of records"),
    ],
)
def test_missing_and_further_records_are_differences(now: list[dict], key: str) -> None:
    parted = first_mismatch(BEFORE, now)
    assert parted is not None and parted["key"] == key


def test_a_last_line_that_was_cut_short_is_left_out_and_another_is_an_error(
    tmp_path: Path,
) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in BEFORE) + '{"step": 3, "ep')
    assert read_records(path) == BEFORE
    path.write_text('{"step": 1\n{"step": 2}\n')
    with pytest.raises(RecordError, match="line 1"):
        read_records(path)
    assert read_records(tmp_path / "absent.jsonl") == []
