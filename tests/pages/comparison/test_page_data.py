"""The Pareto front."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from outtake.pages.comparison.page_data import (
    best_score,
    page_data,
    pareto_front,
    run_row,
)
from outtake.pages.comparison.run_record import RunRecord


def test_the_front_is_what_no_other_beats() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        times = rng.integers(1, 12, 20).tolist()
        scores = (rng.integers(1, 12, 20) / 12).tolist()
        front = pareto_front(times, scores)
        points = list(zip(times, scores, strict=True))

        def beaten(p: tuple[float, float], points=points) -> bool:
            return any(q != p and q[0] <= p[0] and q[1] >= p[1] for q in points)

        assert {points[i] for i in front} == {p for p in points if not beaten(p)}
        assert [times[i] for i in front] == sorted({times[i] for i in front})


def test_the_score_of_a_run_is_that_of_the_masks() -> None:
    evaluations = [
        {"split": "val", "miou": 0.5},
        {"split": "val", "miou": 0.9, "label_map": "layout"},
        {"split": "val", "miou": 0.8, "data_of_training": False},
    ]
    assert best_score(RunRecord(Path("run"), "run", evaluations=evaluations)) == 0.5


def test_a_run_has_the_figures_of_its_own_network_not_those_of_an_ensemble() -> None:
    own = {"split": "val", "miou": 0.5, "forward_ms": 10.0, "iou": {"road": 0.4}, "where": "a"}
    ensemble = {"split": "val", "miou": 0.9, "forward_ms": 30.0, "iou": {"road": 0.8},
                "members": [{}, {}], "where": "b"}  # fmt: skip
    layout = {"split": "val", "miou": 0.7, "iou": {"wall": 0.7}, "label_map": "layout",
              "where": "c"}  # fmt: skip
    run = RunRecord(Path("run"), "run", evaluations=[own, ensemble, layout])
    row = run_row(run, [])
    assert (row["values"]["score"], row["values"]["forward"]) == (0.5, 10.0)
    assert row["iou"] == {"road": 0.4} and row["values"]["evaluation b"] == 0.9


def test_evaluations_that_have_no_column_are_counted() -> None:
    evaluations = [{"split": "val", "miou": 0.5, "where": f"data-{n}"} for n in range(9)]
    page = page_data([RunRecord(Path("run"), "run", evaluations=evaluations)], "runs")
    assert len(page["evaluations"]) == 6 and page["evaluations_left_out"] == 3
