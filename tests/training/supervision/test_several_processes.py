"""A teacher, and images without labels, give several processes what they give one."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from benchmarks.training import distributed_runs

TAUGHT = [
    "supervision=distillation",
    "supervision.teacher=TEACHER",
    "supervision.weights={kl: 1, l1: 0.1, l2: 0.1, affinity: 1, features: 1}",
    "supervision.student_features='0'",
    "supervision.teacher_features='0'",
    "supervision.images=both",
]
# A part that is pasted in comes from another image of the same process.
UNLABELLED = ["supervision=fixmatch", "supervision.threshold=0.5", "supervision.strong.cutmix=0"]


@pytest.mark.slow
@pytest.mark.full
@pytest.mark.parametrize("supervision", [TAUGHT, UNLABELLED], ids=["taught", "unlabelled"])
def test_two_processes_have_the_losses_of_one(
    supervision: list[str], runs: ModuleType, tmp_path: Path
) -> None:
    data = runs.write_data(tmp_path / "data", train=12)
    base = distributed_runs.options(data, 2, ema=False)
    assert distributed_runs.Ranks(base, tmp_path / "teacher", 1).codes() == [0]
    chosen = [each.replace("TEACHER", str(tmp_path / "teacher")) for each in supervision]
    overrides = [*base, *chosen, "data.labelled_share=1/2", "data.unlabelled_batch_size=3"]
    several = [*overrides, *distributed_runs.several("ddp")]
    assert distributed_runs.Ranks(overrides, tmp_path / "one", 1).codes() == [0]
    assert distributed_runs.Ranks(several, tmp_path / "two", 2).codes() == [0, 0]
    one, two = runs.records(tmp_path / "one"), runs.records(tmp_path / "two")
    losses = [
        (record[key], other[key])
        for record, other in zip(one, two, strict=True)
        for key in record
        if key.startswith("train/loss")
    ]
    assert len(losses) > 8
    assert all(own == pytest.approx(other, abs=1e-5) for own, other in losses)
