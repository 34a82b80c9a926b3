"""Overrides that all trials of a sweep have."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from outtake.config.compose import compose
from outtake.config.program_options import SweepOptions, read_options
from outtake.core.errors import ConfigError
from outtake.programs import entry_points, hydra_programs
from outtake.programs.sweep import check_overrides, make_sweep_config
from outtake.programs.trial_overrides import check_trial_config, read_trial_words
from outtake.sweeps.sweep_config import SweepConfig

SPACE = ["name=mine", "+space.rate.key=optimizer.lr", "+space.rate.low=1e-4", "+space.rate.high=1"]
CHOSEN = [
    ("name=mine", "each trial is named by its number"),
    ("paths.runs=/elsewhere", "set paths.runs of the sweep itself, before --"),
    ("hydra.run.dir=/elsewhere", "leave it out"),
    ("hydra/launcher=joblib", "leave it out"),
    ("resume=auto", "the same command again"),
    ("reproduce=runs/a", "without a sweep"),
    ("find=lr", "give what it says to the sweep"),
    ("debug=fast", r"give what it sets, as \+trainer.limit_train_batches=1"),
]


def plan(*overrides: str, options: tuple[str, ...] = ()) -> SweepConfig:
    read = read_options(SweepOptions, compose("sweep", [*SPACE, *options]))
    return make_sweep_config(read, None, (), overrides)


@pytest.mark.parametrize("sign", ["", "+", "++"])
def test_a_key_that_is_searched_cannot_be_given_too(sign: str) -> None:
    with pytest.raises(ConfigError, match=r"optimizer\.lr=0\.5: space\.rate searches this key"):
        plan("seed=1", f"{sign}optimizer.lr=0.5")


@pytest.mark.parametrize("sign", ["", "+", "++"])
@pytest.mark.parametrize(("override", "said"), CHOSEN)
def test_what_the_sweep_chooses_for_a_trial_cannot_be_given(
    override: str, said: str, sign: str
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        plan("seed=1", f"{sign}{override}")
    assert str(caught.value).startswith(f"{sign}{override}: ")


@pytest.mark.parametrize(("override", "said"), CHOSEN)
def test_nor_can_it_be_searched(override: str, said: str) -> None:
    key = override.partition("=")[0]
    with pytest.raises(ConfigError, match=said) as caught:
        plan(options=(f"+space.other={{key: {key}, choices: [a, b]}}",))
    assert str(caught.value).startswith(f"space.other.key={key}: ")


def test_a_program_of_ones_own_has_keys_of_its_own() -> None:
    own = ("command=[python,toy.py]",)
    assert plan("resume=auto", options=own).fixed == ["resume=auto"]
    with pytest.raises(ConfigError, match="each trial is named by its number"):
        plan("name=mine", options=own)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["folds=3"], "folds=3: a trial of a sweep is one run; choose one by fold=0"),
        (["fold=1"], "fold=1: of how many"),
    ],
)
def test_a_trial_is_one_run(overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_overrides(plan(*overrides))


def test_what_an_experiment_sets_is_seen_too() -> None:
    usual = compose("train")
    for key, value in (("paths.runs", "/elsewhere"), ("resume", "auto"), ("find", {"kind": "lr"})):
        cfg = usual.copy()
        OmegaConf.update(cfg, key, value, force_add=True)
        with pytest.raises(ConfigError, match=rf"{key} is .* in each trial: "):
            check_trial_config(cfg, usual)
    check_trial_config(compose("train", ["folds=3", "fold=1", "name=trial", "seed=3"]), usual)


def test_other_keys_are_those_of_each_trial() -> None:
    assert list(plan("seed=1", "optimizer=sgd").fixed) == ["seed=1", "optimizer=sgd"]
    sweep = plan("folds=3", "fold=1", "~augment", options=("+space.scheduler=[poly, null]",))
    check_overrides(sweep)
    assert sweep.fixed == ["folds=3", "fold=1", "~augment"]


@pytest.mark.parametrize(
    ("word", "read"),
    [
        ("tags=a,b", "tags=[a,b]"),
        ("note=what is (this)", 'note="what is (this)"'),
        ("augment=", "~augment"),
        ("scheduler=null", "~scheduler"),
        ("data.root=/ä", 'data.root="/ä"'),
        ("data.root=/a b (c)", 'data.root="/a b (c)"'),
        ("--seed=3", "seed=3"),
        ("data.crop=[64,96]", "data.crop=[64,96]"),
    ],
)
def test_words_for_the_trials_are_read_as_those_of_a_training(word: str, read: str) -> None:
    assert read_trial_words([word]) == [read] == read_trial_words([read])
    plan(read)


@pytest.mark.parametrize("own", [False, True])
def test_words_after_the_dashes_are_read_where_trials_are_trainings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own: bool
) -> None:
    found: list[Any] = []
    monkeypatch.setattr("outtake.programs.sweep.run_sweep", lambda *given: found.append(given[3]))
    command = ["command=[python,toy.py]"] if own else []
    line = ["outtake sweep", *SPACE, *command, "--", "tags=a,b"]
    monkeypatch.setattr(sys, "argv", line)
    monkeypatch.setattr(entry_points, "run_program", lambda main, rules: main())
    monkeypatch.chdir(tmp_path)
    entry_points.run_sweep()
    assert found == [["tags=a,b"] if own else ["tags=[a,b]"]]
    assert hydra_programs.TRIAL_OVERRIDES == ["tags=a,b"]


def test_a_sweep_is_no_multirun_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["outtake sweep", "-m", *SPACE, f"paths.runs={tmp_path}"])
    monkeypatch.setattr(entry_points, "run_program", lambda main, rules: main())
    with pytest.raises(ConfigError, match="leave -m out"):
        entry_points.run_sweep()
    assert not list(tmp_path.iterdir())
