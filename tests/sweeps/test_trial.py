"""What a trial's process is told."""

from __future__ import annotations

import pytest

from outtake.sweeps.trial import TrialEnv, read_trial_env


def test_what_a_trial_is_told_survives_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    trial_env = TrialEnv("sqlite:///a b.db", "s", 3, 2, ["val/miou"], {"kind": "X"}, "/r")
    monkeypatch.delenv("OUTTAKE_SWEEP_TRIAL", raising=False)
    assert read_trial_env() is None
    for key, value in trial_env.to_environment().items():
        monkeypatch.setenv(key, value)
    assert read_trial_env() == trial_env
