"""Which studies are resumed, and with which sampler."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import optuna
import pytest

from outtake.core.errors import ConfigError
from outtake.sweeps.search_space import parse_space
from outtake.sweeps.study import SweepStudy
from tests.sweeps.one_line_trials import (
    FORWARD,
    drive,
    make_sweep,
)


def test_a_sweep_does_not_go_on_with_another_search(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path, n_trials=1)
    drive(sweep)
    wider = parse_space({"x": {"low": 0.0, "high": 2.0}})
    for change in ({"parameters": wider}, {"fixed": ["a=2"]}, {"objectives": [FORWARD]}):
        with pytest.raises(ConfigError, match="begun with another search"):
            SweepStudy(dataclasses.replace(sweep, **change))
    SweepStudy(dataclasses.replace(sweep, n_jobs=7, retries=0, sampler={"kind": "TPESampler"}))


@pytest.mark.parametrize(
    "kind", ["GridSampler", "BruteForceSampler", "BaseGASampler", "PartialFixedSampler", "Nope"]
)
def test_samplers_that_can_not_work_are_named(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ConfigError, match=rf"sampler\.kind={kind}"):
        SweepStudy(make_sweep(tmp_path, sampler={"kind": kind}))


def test_the_seed_of_a_sampler_that_goes_on(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path, sampler={"kind": "QMCSampler", "scramble": True}, n_trials=2)
    points = {trial.params["x"] for trial in drive(sweep).counted_trials()}
    more = drive(dataclasses.replace(sweep, n_trials=4))
    assert points < {trial.params["x"] for trial in more.counted_trials()}
    assert isinstance(more.study.sampler, optuna.samplers.QMCSampler)


def test_a_package_that_a_sampler_imports_late_is_asked_for_before_the_first_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outtake.sweeps.storage.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"kind=CmaEsSampler: needs cmaes: pip install cmaes"):
        SweepStudy(make_sweep(tmp_path, sampler={"kind": "CmaEsSampler"}))
