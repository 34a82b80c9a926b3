"""Which folders are runs."""

from __future__ import annotations

import json
from pathlib import Path

from outtake.pages.comparison.find_runs import find_runs


def metrics(folder: Path, *lines: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "metrics.jsonl").write_text("\n".join(lines))
    return folder


def record(step: int, **values: float) -> str:
    return json.dumps({"step": step, "epoch": 0, "time_s": 1.0, **values})


GOOD = record(1, **{"val/miou": 0.4})


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


def test_a_run_counts_once_whatever_leads_to_it(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    for name in ("b", "c"):
        metrics(runs / name, GOOD)
    (runs / "a").symlink_to("b")
    (runs / "z").symlink_to(runs)
    (tmp_path / "link").symlink_to(runs)
    own = [(runs / "b", "b"), (runs / "c", "c")]
    assert find_runs([runs]) == own
    assert find_runs([runs, tmp_path / "link", runs / "a", runs / ".." / "runs" / "c"]) == own
    # What is named first is kept as it was given.
    assert find_runs([runs / "a", runs / "b"]) == [(runs / "a", "a")]
    assert find_runs([runs / "c" / ".." / "b"]) == [(runs / "b", "b")]
    assert [name for _, name in find_runs([tmp_path / "link"])] == ["b", "c"]


def test_a_link_to_a_run_elsewhere_is_that_run(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    metrics(tmp_path / "elsewhere", GOOD)
    (tmp_path / "runs" / "a").symlink_to(tmp_path / "elsewhere")
    assert find_runs([tmp_path / "runs"]) == [(tmp_path / "runs" / "a", "a")]
