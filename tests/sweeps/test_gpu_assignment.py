"""GPUs are divided among trials."""

from __future__ import annotations

import pytest

from outtake.core.errors import ConfigError
from outtake.sweeps.gpu_assignment import assign_gpus


@pytest.mark.parametrize(
    ("gpus", "per_trial", "jobs", "slots"),
    [
        ([0, 1], 1, 2, ["0", "1"]),
        ([0, 1], 0.5, 3, ["0", "1", "0"]),
        ([0, 1, 2, 3], 2, 2, ["0,1", "2,3"]),
        (["GPU-a"], 1, 1, ["GPU-a"]),
        ([], 1, 2, ["", ""]),
    ],
)
def test_gpus_are_divided(gpus: list, per_trial: float, jobs: int, slots: list[str]) -> None:
    assert assign_gpus(gpus, per_trial, jobs) == slots


def test_gpus_that_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert assign_gpus("auto", 1, 2) == ["2", "5"]
    with pytest.raises(ConfigError, match="n_jobs=3: 2 GPUs"):
        assign_gpus("auto", 1, 3)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert assign_gpus("auto", 1, 3) == []
    for wrong in (0, 1.5):
        with pytest.raises(ConfigError, match="gpus_per_trial"):
            assign_gpus([0, 1, 2], wrong, 1)
