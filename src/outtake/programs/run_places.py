"""Where a training goes: into a folder of its own, or into that of the run that it resumes."""

from __future__ import annotations

import os
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from outtake.config.compose import program_command
from outtake.config.resume_config import RESUME_AUTO
from outtake.core.errors import CheckpointError, ConfigError
from outtake.core.override_text import format_override
from outtake.pages.comparison.find_runs import find_runs_below, is_run
from outtake.programs.train_folds import is_fold_folder
from outtake.runs.run_folder import RunFolder
from outtake.training.distributed.launcher import RUN_DIR_VARIABLE


def name_run_folder(cfg: DictConfig, run_dir: str | Path | None) -> Path:
    """Return the folder that a command has for a run of its own; it is not made.

    Args:
        cfg: The config, in which ``paths.runs`` and ``name`` name the folder.
        run_dir: The folder, where something else has named it.

    Raises:
        ConfigError: ``name`` would put the run over or into other runs.
    """
    given = os.environ.get(RUN_DIR_VARIABLE) or run_dir
    if given:
        return Path(given).expanduser()
    runs, name = Path(cfg.paths.runs).expanduser(), str(cfg.name)
    folder = runs / name
    if not cfg.resume or cfg.resume == RESUME_AUTO:
        _refuse_place_of_others(cfg, folder, runs)
    return folder


def _refuse_place_of_others(cfg: DictConfig, folder: Path, runs: Path) -> None:
    """Refuse a folder that holds other runs, or lies in one: lists of runs would hide them.

    Raises:
        ConfigError: It is such a folder.
    """
    place, top = Path(os.path.realpath(folder)), Path(os.path.realpath(runs))
    if place == top or place in top.parents:
        raise ConfigError(
            f"name={cfg.name}: that is {place}, which holds all runs; give a name of its own below "
            f"paths.runs={runs}"
        )
    has_folds = bool(cfg.get("folds")) and cfg.get("fold") is None
    if is_run(place) and not has_folds and cfg.resume:
        return  # it goes on, wherever it lies
    for outer in (place, *place.parents) if has_folds else place.parents:
        # Above paths.runs a config.yaml may be anything.
        if top in outer.parents and is_run(outer):
            raise ConfigError(
                f"name={cfg.name}: {outer} is a run, and one inside it would never be listed; "
                "choose another name"
            )
    inner = [] if is_run(place) or not place.is_dir() else find_runs_below(place)
    # Whether the folds that are there go on is train_folds' to ask.
    others = [run for run in inner if not (has_folds and is_fold_folder(run, place))]
    if others:
        raise ConfigError(
            f"name={cfg.name}: {place} holds other runs, such as {others[0]}, which a run in that "
            "folder would hide; choose another name"
        )


def find_resume_folder(cfg: DictConfig, own_folder: Path, *, has_fixed_name: bool) -> Path | None:
    """Return the folder of the run to resume, None for a run that begins.

    Args:
        cfg: The config, in which ``resume`` is null, a run folder, or ``auto``: this command's own
            run, if it has saved anything.
        own_folder: The run folder that this command has by itself.
        has_fixed_name: Whether the same command would have it again, whatever ``name`` is.

    Raises:
        CheckpointError: The folder that was given holds no checkpoint to resume from.
        ConfigError: ``resume`` is ``auto``, and the name of the run is the time.
    """
    if not cfg.resume:
        return None
    automatic = cfg.resume == RESUME_AUTO
    if automatic and not has_fixed_name:
        require_name(cfg)
    folder = RunFolder(own_folder if automatic else Path(cfg.resume).expanduser())
    if folder.has_saved():
        return folder.path
    if automatic:
        return None
    raise CheckpointError(f"resume={folder.path}: {_explain_nothing_to_resume(folder)}")


def _explain_nothing_to_resume(folder: RunFolder) -> str:
    if not folder.path.exists():
        return "no such folder; give the run folder of outtake train"
    if not is_run(folder.path):
        return "no checkpoints/last.ckpt there; give the run folder of outtake train"
    if folder.is_scored():
        return (
            "no checkpoints/last.ckpt there any more; begin another run, from its weights with "
            f"{format_override('init_from', folder.path)}"
        )
    return (
        "that run ended before it saved a checkpoint, so there is nothing to resume; begin it "
        f"again with {program_command('train')} and its whole command, resume=auto "
        "and its name=..., or with another name"
    )


def require_name(cfg: DictConfig) -> None:
    """Raise a ConfigError if the run is named by the time, so that it cannot be found again."""
    if OmegaConf.is_interpolation(cfg, "name"):
        raise ConfigError("resume=auto: the run needs a name of its own to find again: name=NAME")
