"""A run of a benchmark is taken as it is only where it was asked for so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from benchmarks.training.resumable_runs import train_once


def test_a_finished_run_with_other_settings_is_refused(tmp_path: Path, capsys) -> None:
    run = tmp_path / "taught-seed-0"
    run.mkdir()
    (run / "summary.json").write_text(json.dumps({"best": {"val/miou": 0.5}}))
    place = ["name=taught-seed-0", f"paths.runs={tmp_path}", "resume=auto"]
    settings = ["model=fpn", "trainer.max_epochs=40", "seed=0"]
    (run / "overrides.yaml").write_text(yaml.safe_dump([*place, *settings]))
    assert train_once(run, ["trainer.max_epochs=7", *settings]) == {"best": {"val/miou": 0.5}}
    with pytest.raises(SystemExit, match="2"):
        train_once(run, ["model=pspnet", "trainer.max_epochs=40"])
    said = capsys.readouterr().err
    assert "trained with other settings (model, seed)" in said and "--runs" in said
