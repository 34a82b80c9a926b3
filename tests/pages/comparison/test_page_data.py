"""The Pareto front."""

from __future__ import annotations

import numpy as np

from outtake.pages.comparison.page_data import pareto_front


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
