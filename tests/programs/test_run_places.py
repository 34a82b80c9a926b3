"""Which folder a training has, and which it must not have."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from outtake.core.errors import CheckpointError, ConfigError
from outtake.programs.run_places import find_resume_folder, name_run_folder


def config(runs: Path, name: str, resume: str | None = None, **more: int | None) -> DictConfig:
    paths = {"runs": str(runs)}
    return OmegaConf.create({"name": name, "resume": resume, "paths": paths} | more)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder with the runs ``a`` and ``group/b``, below one that has a config.yaml of its own."""
    (tmp_path / "config.yaml").touch()
    for name in ("a", "group/b"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "config.yaml").touch()
    (tmp_path / "runs" / "link").symlink_to("a")
    return tmp_path / "runs"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (".", "which holds all runs"),
        ("", "which holds all runs"),
        ("..", "which holds all runs"),
        ("new/..", "which holds all runs"),
        ("a/sub", r"runs/a is a run, and one inside it would never be listed"),
        ("link/sub", r"runs/a is a run"),
        ("group/b/x/y", r"group/b is a run"),
        ("group", r"holds other runs, such as .*group/b"),
    ],
)
def test_a_run_goes_neither_over_nor_into_others(runs: Path, name: str, said: str) -> None:
    before = sorted(runs.rglob("*"))
    with pytest.raises(ConfigError, match=said):
        name_run_folder(config(runs, name), None)
    assert sorted(runs.rglob("*")) == before


@pytest.mark.parametrize("name", ["new", "group/new", "a", "new/sub/sub", "../elsewhere/x"])
def test_other_names_are_folders_below_the_runs(runs: Path, name: str) -> None:
    assert name_run_folder(config(runs, name), None) == runs / name


def test_a_run_that_lies_in_another_goes_on(runs: Path) -> None:
    (runs / "a" / "sub").mkdir()
    (runs / "a" / "sub" / "config.yaml").touch()
    assert name_run_folder(config(runs, "a/sub", resume="auto"), None) == runs / "a" / "sub"
    with pytest.raises(ConfigError, match="runs/a is a run"):
        name_run_folder(config(runs, "a/new", resume="auto"), None)


@pytest.mark.parametrize("resume", [None, "auto"])
def test_a_training_of_folds_goes_into_the_folder_of_its_own_folds(
    runs: Path, resume: str | None
) -> None:
    for fold in ("fold_0", "fold_2"):  # one of them may have been deleted to be trained anew
        (runs / "cv" / fold).mkdir(parents=True)
        (runs / "cv" / fold / "config.yaml").touch()
    assert name_run_folder(config(runs, "cv", resume, folds=3, fold=None), None) == runs / "cv"
    for name, said in (("group", "holds other runs"), ("a", "runs/a is a run")):
        with pytest.raises(ConfigError, match=said):
            name_run_folder(config(runs, name, resume, folds=3, fold=None), None)
    with pytest.raises(ConfigError, match="holds other runs"):
        name_run_folder(config(runs, "cv", resume, folds=3, fold=1), None)
    one = config(runs, "cv/fold_1", resume, folds=3, fold=1)
    assert name_run_folder(one, None) == runs / "cv" / "fold_1"


def test_what_something_else_names_is_not_asked_about(runs: Path) -> None:
    assert name_run_folder(config(runs, "."), runs / "job") == runs / "job"
    assert name_run_folder(config(runs, "group", resume=str(runs / "a")), None) == runs / "group"


def test_what_cannot_be_resumed_says_why(runs: Path) -> None:
    for place, said in (
        ("absent", "no such folder"),
        ("group", "give the run folder of outtake train"),
        ("a", "ended before it saved a checkpoint, .*begin it again with .*resume=auto"),
    ):
        cfg = config(runs, "x", resume=str(runs / place))
        with pytest.raises(CheckpointError, match=said):
            find_resume_folder(cfg, runs / "x", has_fixed_name=True)
    (runs / "a" / "summary.json").touch()
    cfg = config(runs, "x", resume=str(runs / "a"))
    with pytest.raises(CheckpointError, match=r"last\.ckpt there any more"):
        find_resume_folder(cfg, runs / "x", has_fixed_name=True)
