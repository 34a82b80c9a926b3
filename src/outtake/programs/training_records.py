"""What a training run writes into its folder, and reads from it again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.callbacks.early_stopping import EarlyStoppingReason
from torch.distributed.tensor import DTensor

from outtake.config.instantiate import readable_config, resolve_config
from outtake.config.load_trained import load_trained, to_redacted_yaml
from outtake.config.resume_config import RESUME_AUTO, read_run_config
from outtake.core.errors import RecordError
from outtake.core.json_files import read_json_lines, read_json_object
from outtake.core.redact import redact_tree
from outtake.data.datamodule import DataModule
from outtake.data.fingerprint import make_data_record
from outtake.programs.trainer_setup import OBJECTIVE
from outtake.runs.environment import describe_environment, device_name
from outtake.runs.run_folder import RunFolder
from outtake.runs.run_notes import NOTE_KEYS, RunNotes
from outtake.training.callbacks.throughput import Throughput
from outtake.training.checkpoint_files import LAST_CHECKPOINT
from outtake.training.forward_time import measure_forward
from outtake.training.task import SegmentationTask
from outtake.training.trainer_info import find_callbacks

log = logging.getLogger(__name__)


def write_run_records(
    folder: RunFolder, cfg: DictConfig, data: DataModule, overrides: Sequence[str]
) -> None:
    """Write what a new run is made of: notes, command line, environment, data, config."""
    folder.write_notes(RunNotes.from_config(_select_notes(cfg)))
    folder.write_overrides(list(overrides))
    folder.write_json("environment.json", describe_environment())
    folder.write_json("data.json", describe_data(data))
    _write_config(folder, cfg)


class ResumptionRecorder(Callback):
    """Writes what a resumption changes in the records of its run, once the run goes on.

    That is after its first batch of training or of a validation. All that can refuse a resumption
    has looked at it by then, and so has what fails in a step, such as a batch that is too large: a
    resumption that is refused leaves records with which the run can be resumed plainly. The summary
    is deleted then, which is no longer true. A run that had ended does no step: it keeps that, and
    only notes on it are written.

    No checkpoint is saved before: it must come before what saves one at the end of a batch.

    Args:
        folder: The folder of the run.
        cfg: The config of the resumption.
        overrides: Its command line.

    Attributes:
        goes_on: Whether the run goes on, and its records are those of this resumption.
    """

    def __init__(self, folder: RunFolder, cfg: DictConfig, overrides: Sequence[str]) -> None:
        self._folder, self._cfg, self._overrides = folder, cfg, overrides
        self.goes_on = False

    def check(self, data: DataModule) -> None:
        """Refuse what the records of the run do not let be resumed.

        Raises:
            DataRootError: The data is not what the run was begun with.
            ConfigError: A note is too long.
            RecordError: A record that is needed cannot be read.
        """
        self._folder.check_data(describe_data(data))
        self._select_changed_notes()

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Write them after the first batch."""
        self._record(trainer)

    def on_validation_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Write them, where a run was ended before or in a validation."""
        if not trainer.sanity_checking:
            self._record(trainer)

    def write_notes(self) -> None:
        """Write the notes that the command line changes.

        The command of ``resume=auto`` says again what the run was begun with: that changes nothing,
        and where nothing changes the file stays as it is.
        """
        if (notes := self._select_changed_notes()) is not None:
            self._folder.write_notes(notes)

    def _select_changed_notes(self) -> RunNotes | None:
        folder, cfg = self._folder, self._cfg
        noted = _select_notes(cfg)
        changed = {override.partition("=")[0].lstrip("+") for override in self._overrides}
        if cfg.resume == RESUME_AUTO:
            begun = _select_notes(read_run_config(folder.path, f"resume=auto in {folder.path}"))
            changed = {key for key in changed if begun.get(key) != noted.get(key)}
        noted = {key: value for key, value in noted.items() if key in changed}
        return RunNotes.from_config(folder.read_notes().to_dict() | noted) if noted else None

    def _record(self, trainer: Trainer) -> None:
        if self.goes_on or not trainer.is_global_zero:
            return
        self.write_notes()
        self.goes_on = True
        self._folder.discard_ending()
        self._folder.discard_summary()
        self._folder.log_resume(self._overrides, describe_environment())
        # The next resumption starts from what this one changed.
        _write_config(self._folder, self._cfg)


def _write_config(folder: RunFolder, cfg: DictConfig) -> None:
    saved_cfg = cfg.copy()
    saved_cfg.resume = None
    readable = yaml.safe_dump(redact_tree(readable_config(saved_cfg)), sort_keys=False)
    folder.write_config(to_redacted_yaml(saved_cfg), readable)


def describe_data(data: DataModule) -> dict[str, Any]:
    """Return what ``data.json`` holds of the splits that were verified."""
    record = make_data_record(data.reports.values())
    if data.unlabelled_report is not None:
        record["unlabelled"] = data.unlabelled_report.to_record()
    return record


def check_notes(cfg: DictConfig) -> None:
    """Raise a ConfigError, before any work, if the notes of a config are more than are kept."""
    RunNotes.from_config(_select_notes(cfg))


def _select_notes(cfg: DictConfig) -> dict[str, Any]:
    notes: dict[str, Any] = resolve_config(OmegaConf.masked_copy(cfg, list(NOTE_KEYS)))
    return notes


def read_kept_summary(folder: RunFolder) -> dict[str, Any] | None:
    """Return the summary of a run that had ended before, None if it is to be written anew.

    A training deletes it after its first batch, so one that is there means that none was done, and
    this process knows neither the times nor the steps of the run.
    """
    try:
        found = read_json_object(folder.path / "summary.json", "it is written anew")
    except RecordError as error:
        log.warning("%s, without the times of the training", error)
        return None
    needed = ("best", "checkpoint", "parameters", "forward_ms")
    return found if found is not None and all(key in found for key in needed) else None


def summarize_run(
    trainer: Trainer,
    folder: RunFolder,
    data: DataModule,
    task: SegmentationTask,
    throughput: Throughput,
    objective: str = OBJECTIVE,
) -> dict[str, Any]:
    """Measure the time of one forward pass, and return what ``summary.json`` holds."""
    names = ("best.ckpt", LAST_CHECKPOINT)
    there = [name for name in names if (folder.checkpoints / name).is_file()]
    wall_time_s = throughput.wall_time_s()
    return {
        "objective": objective,
        "best": find_best_record(folder.metrics, objective),
        "checkpoint": f"checkpoints/{there[0]}" if there else None,
        "epochs": trainer.current_epoch,
        "steps": trainer.global_step,
        "wall_time_s": round(wall_time_s, 3),
        "samples_per_second": throughput.samples_per_second(),
        **({} if task.supervision is None else {"supervision": task.supervision.record}),
        "parameters": sum(p.numel() for p in task.net.parameters()),
        "stopped_early": _has_stopped_early(trainer),
        **_time_forward(trainer, data, _gather_sharded_task(task, folder)),
    }


def find_best_record(metrics: Path, objective: str = OBJECTIVE) -> dict[str, Any]:
    """Return the record of ``metrics.jsonl`` with the highest objective, empty if there is none.

    Lines that cannot be read are left out, with one line of warning: a training that has ended must
    not fail for what a crash did to its log.
    """
    records = read_json_lines(metrics, skip_damaged=True)
    scored = [record for record in records if isinstance(record.get(objective), int | float)]
    return max(scored, key=lambda record: float(record[objective]), default={})


def _gather_sharded_task(task: SegmentationTask, folder: RunFolder) -> SegmentationTask:
    # Weights that are divided among the ranks cannot be used by one alone.
    is_sharded = any(isinstance(weight, DTensor) for weight in task.parameters())
    return load_trained(folder.path, task.device).task if is_sharded else task


def _time_forward(trainer: Trainer, data: DataModule, task: SegmentationTask) -> dict[str, Any]:
    device = trainer.strategy.root_device
    record = measure_forward(task, data.eval_image_size("val"), data.channels, device)
    record["forward"]["device"] = device_name(device)
    return record


def _has_stopped_early(trainer: Trainer) -> bool:
    ended = [stopping.stopping_reason for stopping in find_callbacks(trainer, EarlyStopping)]
    return any(reason != EarlyStoppingReason.NOT_STOPPED for reason in ended)
