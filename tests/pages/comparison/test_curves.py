"""Curves that are downsampled, and the bands of groups."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from outtake.pages.comparison.curves import collect_curves, downsample
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


def metrics(folder: Path, *lines: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "metrics.jsonl").write_text("\n".join(lines))
    return folder


def record(step: int, **values: float) -> str:
    return json.dumps({"step": step, "epoch": 0, "time_s": 1.0, **values})


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
