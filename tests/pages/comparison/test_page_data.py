"""The Pareto front."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from outtake.pages.comparison.page_data import best_score, pareto_front
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
    ]
    assert best_score(RunRecord(Path("run"), "run", evaluations=evaluations)) == 0.5
