"""Overrides that all trials of a sweep have."""

from __future__ import annotations

import pytest

from outtake.config.compose import compose
from outtake.config.program_options import SweepOptions, read_options
from outtake.core.errors import ConfigError
from outtake.programs.sweep import make_sweep_config
from outtake.sweeps.sweep_config import SweepConfig

SPACE = ["name=mine", "+space.rate.key=optimizer.lr", "+space.rate.low=1e-4", "+space.rate.high=1"]


def plan(*overrides: str) -> SweepConfig:
    options = read_options(SweepOptions, compose("sweep", SPACE))
    return make_sweep_config(options, None, (), overrides)


@pytest.mark.parametrize("sign", ["", "+", "++"])
def test_a_key_that_is_searched_cannot_be_given_too(sign: str) -> None:
    with pytest.raises(ConfigError, match=r"optimizer\.lr=0\.5: space\.rate searches this key"):
        plan("seed=1", f"{sign}optimizer.lr=0.5")


def test_trials_have_names_of_their_own() -> None:
    with pytest.raises(ConfigError, match=r"name=mine: each trial is named by its number"):
        plan("name=mine")


def test_other_keys_are_those_of_each_trial() -> None:
    assert list(plan("seed=1", "optimizer=sgd").fixed) == ["seed=1", "optimizer=sgd"]
