"""Train one run for each fold, and say in one table how they did."""

from __future__ import annotations

import logging
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict
from rich.console import Console
from rich.table import Table

from outtake.config.build_data import build_data
from outtake.config.instantiate import resolve_config
from outtake.config.resume_config import check_same_settings
from outtake.core.errors import ConfigError, OutputError, RecordError
from outtake.core.files import write_json
from outtake.core.json_files import read_json_object
from outtake.core.override_text import format_override
from outtake.evaluation.metrics import split_metrics
from outtake.programs.trainer_setup import OBJECTIVE
from outtake.programs.training_records import describe_data
from outtake.runs.run_folder import RunFolder
from outtake.runs.run_notes import NOTE_KEYS
from outtake.sweeps.trial import trial_reporter
from outtake.training.checkpoint_files import FOLDS_FILE, LAST_CHECKPOINT
from outtake.training.distributed.launch_environment import check_devices

TrainOne = Callable[[DictConfig, Path, Sequence[str]], float]
_KEPT_KEYS = ("folds", "fold_by")

log = logging.getLogger(__name__)


def train_folds(
    cfg: DictConfig, folder: Path, overrides: Sequence[str], train_one: TrainOne
) -> float:
    """Train the runs ``fold_0``, ``fold_1``, ... in a folder of their own.

    With ``resume=auto``, folds that have ended are not trained again, and one that was interrupted
    goes on. Both must have been begun with the settings and the data of this command.

    Args:
        cfg: The config, with ``folds`` and without ``fold``.
        folder: The folder of the runs; ``folds.json`` in it has the table.
        overrides: The command line.
        train_one: Trains one run in a folder.

    Returns:
        The mean of the best ``objective`` of the folds.

    Raises:
        OuttakeError: One fold cannot be trained, or something is in the folder already.
    """
    _check(cfg, folder)
    count = int(cfg.folds)
    _check_trained_folds(cfg, folder)
    runs: list[dict[str, Any]] = []
    for fold in range(count):
        run = folder / fold_name(fold)
        if not (run / "summary.json").is_file():
            _train_fold(cfg, run, fold, overrides, train_one)
        else:
            print(f"fold {fold} is trained already")
        runs.append(_read_run(run))
        record = {key: cfg[key] for key in _KEPT_KEYS} | {"runs": runs, **_summarize(runs)}
        write_json(folder / FOLDS_FILE, record)
    print_folds(record, Console(), str(cfg.objective))
    print(f"the folds are one ensemble: {format_override('checkpoint', folder)}")
    return float(record["mean"].get(str(cfg.objective), 0.0))


def fold_name(fold: int) -> str:
    """Return the name of the run of a fold."""
    return f"fold_{fold}"


def is_fold_folder(run: Path, folder: Path) -> bool:
    """Return whether a run is named as a fold of the training in a folder."""
    return run.parent == folder and re.fullmatch(r"fold_\d+", run.name) is not None


def _check(cfg: DictConfig, folder: Path) -> None:
    if cfg.resume and cfg.resume != "auto":
        raise ConfigError(
            f"resume={cfg.resume}: a training of folds goes on by its whole command with "
            "resume=auto, and one fold by resume=FOLDER/fold_N without folds"
        )
    if check_devices(resolve_config(cfg)).world_size > 1:
        raise ConfigError(
            f"folds={cfg.folds}: several processes train one fold; start each with fold=0 to "
            f"fold={cfg.folds - 1} beside it"
        )
    if trial_reporter() is not None:
        raise ConfigError(
            f"folds={cfg.folds}: a trial of a sweep is one run; choose one by fold=0 beside it"
        )
    if not cfg.resume and folder.is_dir() and any(folder.iterdir()):
        raise OutputError(
            f"{folder} is not empty; choose another name, or add resume=auto to go on with the "
            "folds that it holds"
        )
    path = folder / FOLDS_FILE
    saved = read_json_object(path, "delete it: resume=auto writes it anew") or {}
    for key in _KEPT_KEYS:
        if saved.get(key, cfg[key]) != cfg[key]:
            raise ConfigError(
                f"{key}={cfg[key]}: the folds in {folder} were made with {key}={saved[key]}; "
                "leave it so, or choose another name"
            )


def _check_trained_folds(cfg: DictConfig, folder: Path) -> None:
    """Raise an OuttakeError unless what is trained already was trained as the rest will be."""
    ended: tuple[DictConfig, RunFolder] | None = None
    for fold in range(int(cfg.folds)):
        run = RunFolder(folder / fold_name(fold))
        fold_cfg, has_ended = (
            _make_fold_config(cfg, run.path, fold),
            (run.path / "summary.json").is_file(),
        )
        if has_ended or (run.checkpoints / LAST_CHECKPOINT).is_file():
            check_same_settings(fold_cfg, run.path, NOTE_KEYS)
        if has_ended and ended is None:
            ended = fold_cfg, run
    if ended is not None:  # each fold has all images, in training or in validation
        fold_cfg, run = ended
        data = build_data(fold_cfg)
        data.setup("fit")
        run.check_data(describe_data(data))


def _make_fold_config(cfg: DictConfig, run: Path, fold: int) -> DictConfig:
    fold_cfg = cfg.copy()
    with open_dict(fold_cfg):
        fold_cfg.fold = fold
        fold_cfg.name = f"{run.parent.name}/{run.name}"
        fold_cfg.group = cfg.group or run.parent.name
    return fold_cfg


def _train_fold(
    cfg: DictConfig, run: Path, fold: int, overrides: Sequence[str], train_one: TrainOne
) -> None:
    try:
        train_one(_make_fold_config(cfg, run, fold), run, [*overrides, f"fold={fold}"])
    except (KeyboardInterrupt, SystemExit):
        name = "" if not OmegaConf.is_interpolation(cfg, "name") else f" name={run.parent.name}"
        log.warning(
            "fold %d of %d had not ended: the same command with%s resume=auto trains the rest",
            fold, cfg.folds, name,
        )  # fmt: skip
        raise


def _read_run(run: Path) -> dict[str, Any]:
    remedy = "restore it from a copy, or delete this fold, which resume=auto then trains anew"
    summary, data = (
        read_json_object(run / name, remedy) or {} for name in ("summary.json", "data.json")
    )
    try:
        scores = {key: value for key, value in summary["best"].items() if key.startswith("val/")}
        images = {split: data["splits"][split]["count"] for split in ("train", "val")}
        epochs = summary["epochs"]
    except (KeyError, TypeError, AttributeError) as error:
        raise RecordError(
            f"{run}: summary.json or data.json has no {error} of a fold that has ended; {remedy}"
        ) from error
    return {"run": run.name, "images": images, "epochs": epochs, "best": scores}


def _summarize(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return mean and standard deviation of each score that all folds have."""
    shared = [key for key in runs[0]["best"] if all(key in run["best"] for run in runs)]
    values = {key: [float(run["best"][key]) for run in runs] for key in shared}
    return {
        "mean": {key: statistics.fmean(each) for key, each in values.items()},
        "std": {
            key: statistics.stdev(each) if len(each) > 1 else 0.0 for key, each in values.items()
        },
    }


def print_folds(record: Mapping[str, Any], console: Console, objective: str = OBJECTIVE) -> None:
    """Print the scores of each fold, their mean and their standard deviation."""
    shown = [metric for metric in split_metrics() if f"val/{metric.key}" in record["mean"]]
    table = Table(title=f"{record['folds']} folds, each at its best {objective}")
    for title in ("fold", "train", "val", *(metric.title for metric in shown)):
        table.add_column(title, justify="right")
    for number, run in enumerate(record["runs"]):
        scores = [f"{run['best'][f'val/{metric.key}']:.4f}" for metric in shown]
        table.add_row(str(number), *(str(run["images"][s]) for s in ("train", "val")), *scores)
    for name in ("mean", "std"):
        table.add_row(name, "", "", *(f"{record[name][f'val/{m.key}']:.4f}" for m in shown))
    console.print(table)
