"""Train: a config goes in, a self-describing run folder comes out."""

from __future__ import annotations

import json
import logging
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Trainer, seed_everything
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

from outtake.apps.dashboards import logging_to, make_loggers
from outtake.apps.endings import ended_by_sigterm, ending_well
from outtake.apps.saved_config import resumed_config
from outtake.build import build_data, build_task, check_targets, instantiate, plain_containers
from outtake.checkpoint import make_record, redacted_yaml
from outtake.data.datamodule import DataModule
from outtake.data.fingerprint import data_record
from outtake.errors import CheckpointError, ConfigError, DeviceError
from outtake.experiments.environment import describe_environment, device_name
from outtake.experiments.redact import redact
from outtake.experiments.run_folder import RunFolder
from outtake.experiments.sweep.callback import finish_trial, sweep_callbacks
from outtake.files import check_folder, replace_text
from outtake.inference.device import resolve_device
from outtake.training.callbacks import Throughput, callbacks_of
from outtake.training.checkpoint_io import LAST, PREVIOUS, AtomicCheckpointIO, newest_readable
from outtake.training.forward_time import measure_forward
from outtake.training.last_checkpoint import LastCheckpoint
from outtake.training.task import SegmentationTask
from outtake.training.watch import ConfusionRecord, FiniteWatch

OBJECTIVE = "val/miou"


def train(
    cfg: DictConfig, run_dir: str | Path | None = None, overrides: Sequence[str] = ()
) -> float:
    """Train as the config says.

    Args:
        cfg: what ``conf/train.yaml`` composes.
        run_dir: the run folder; ``paths.runs/name`` by default.
        overrides: the command line, to be written down.

    Returns:
        The best ``val/miou``: the objective of a sweep.

    Raises:
        OuttakeError: anything in the config or the data that can not work, before the run folder
            is made wherever that can be known.
    """
    quiet_libraries()
    if cfg.get("reproduce"):
        raise ConfigError("reproduce= is for train.py, or reproduce() of outtake.apps.reproduce")
    resumed = _resume_folder(cfg)
    if resumed is not None:
        cfg = resumed_config(cfg, resumed, overrides)
    check_targets(plain_containers(cfg))
    check_trainer(cfg)
    runs = Path(cfg.paths.runs).expanduser()
    folder = RunFolder(resumed or run_dir or runs / str(cfg.name))
    with ended_by_sigterm():
        return _train(cfg, folder, overrides, resume=resumed is not None)


def _train(cfg: DictConfig, folder: RunFolder, overrides: Sequence[str], *, resume: bool) -> float:
    seed_everything(int(cfg.seed), workers=True, verbose=False)
    data = build_data(cfg)
    data.setup("fit")
    task = build_task(
        cfg,
        data.labels,
        data.channels,
        frequencies=data.class_frequencies("train"),
        record=make_record(cfg, data.labels, data.channels),
    )
    throughput = Throughput()
    trainer = make_trainer(cfg, folder, throughput)
    trainer.loggers = loggers = make_loggers(cfg, folder)
    check_folder(folder.path)
    folder.create(resume=resume)
    _describe(folder, cfg, data, overrides)
    with logging_to(loggers, cfg, folder):
        return _fit(trainer, folder, data, task, throughput, resume=resume)


def check_trainer(cfg: DictConfig) -> None:
    """Refuse what can not work on this machine.

    Raises:
        DeviceError: an accelerator that is not there.
        ConfigError: several devices, which would each repeat the command line.
    """
    devices = cfg.trainer.get("devices", 1)
    if devices not in (1, "1", "auto", [0]):
        raise ConfigError(f"trainer.devices={devices}: one device a run; allowed are 1 and [0]")
    accelerator = str(cfg.trainer.get("accelerator", "auto"))
    if accelerator in ("gpu", "cuda"):
        resolve_device("cuda")
    elif accelerator not in ("auto", "cpu", "mps"):
        raise DeviceError(
            f"trainer.accelerator={accelerator}: allowed are auto, cpu, gpu, cuda and mps"
        )


def check_multirun(cfg: DictConfig) -> None:
    """Refuse a multirun whose jobs want several devices.

    Lightning starts a process for each further device with this process's command line, which is
    the whole multirun's.

    Raises:
        ConfigError: more than one device or node.
    """
    devices, nodes = cfg.trainer.get("devices", 1), cfg.trainer.get("num_nodes", 1)
    one = devices in (1, "1") or (OmegaConf.is_list(devices) and len(devices) == 1)
    if not one or nodes not in (1, "1"):
        raise ConfigError(
            f"trainer.devices={devices} in a multirun: one device a job; allowed are 1 and [ID]"
        )


def make_trainer(
    cfg: DictConfig, folder: RunFolder, throughput: Throughput | None = None
) -> Trainer:
    """Build the Trainer with its callbacks and the checkpoint plugin; nothing is written yet."""
    callbacks = list(instantiate(cfg.get("callbacks") or {}).values())
    best = ModelCheckpoint(
        dirpath=folder.checkpoints,
        filename="best",
        monitor=OBJECTIVE,
        mode="max",
        enable_version_counter=False,
    )
    last = LastCheckpoint(folder.checkpoints / LAST, cfg.get("checkpoint_every_n_steps"))
    # The first and the last have to be; each says why.
    watches = [throughput or Throughput(), ConfusionRecord(folder.confusion), FiniteWatch()]
    trainer: Trainer = instantiate(
        cfg.trainer,
        default_root_dir=str(folder.path),
        callbacks=[last, *callbacks, *sweep_callbacks(), *watches, best],
        logger=False,
        plugins=[AtomicCheckpointIO()],
    )
    return trainer


def _fit(
    trainer: Trainer,
    folder: RunFolder,
    data: DataModule,
    task: SegmentationTask,
    throughput: Throughput,
    *,
    resume: bool,
) -> float:
    last = newest_readable(_last_checkpoints(folder)) if resume else None
    began_s = time.perf_counter()
    with ending_well(trainer, folder, data):
        trainer.fit(task, datamodule=data, ckpt_path=last)
    wall_s = time.perf_counter() - began_s
    best = best_record(folder.metrics)
    summary = {
        "objective": OBJECTIVE,
        "best": best,
        "checkpoint": "checkpoints/best.ckpt" if best else "checkpoints/last.ckpt",
        "epochs": trainer.current_epoch,
        "steps": trainer.global_step,
        "wall_time_s": round(wall_s, 3),
        "samples_per_second": throughput.mean(),
        "parameters": sum(p.numel() for p in task.net.parameters()),
        "stopped_early": _stopped_early(trainer),
        **_forward_time(trainer, data, task),
    }
    folder.write_json("summary.json", summary)
    finish_trial(trainer, best | {key: summary[key] for key in ("parameters", "forward_ms")})
    print(f"best {OBJECTIVE} {best.get(OBJECTIVE, 0.0):.4f} in {folder.path}")
    return float(best.get(OBJECTIVE, 0.0))


def _forward_time(trainer: Trainer, data: DataModule, task: SegmentationTask) -> dict[str, Any]:
    device = trainer.strategy.root_device
    record = measure_forward(task, data.eval_size("val"), data.channels, device)
    record["forward"]["device"] = device_name(device)
    return record


def best_record(metrics: Path) -> dict[str, Any]:
    """Return the record of ``metrics.jsonl`` with the highest objective, empty if there is none."""
    if not metrics.is_file():
        return {}
    records = [json.loads(line) for line in metrics.read_text().splitlines() if line.strip()]
    scored = [record for record in records if record.get(OBJECTIVE) is not None]
    return max(scored, key=lambda record: float(record[OBJECTIVE]), default={})


def quiet_libraries() -> None:
    """Silence advice that libraries give on every run, and keep their warnings of substance."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*Checkpoint directory .* exists and is not empty.*",
        ".*The number of training batches.*is smaller than the logging interval.*",
        ".*resuming from a checkpoint that ended before the epoch ended.*",
        ".*isinstance\\(treespec, LeafSpec\\).*",
        ".*_pytree_.*",
        ".*lr_scheduler.step.*before.*optimizer.step.*",
    ):
        warnings.filterwarnings("ignore", message)


def _resume_folder(cfg: DictConfig) -> Path | None:
    if not cfg.resume:
        return None
    folder = Path(cfg.resume).expanduser()
    if not any(path.is_file() for path in _last_checkpoints(RunFolder(folder))):
        raise CheckpointError(
            f"resume={folder}: no checkpoints/last.ckpt there; give the run folder of train.py"
        )
    return folder


def _last_checkpoints(folder: RunFolder) -> list[Path]:
    return [folder.checkpoints / LAST, folder.checkpoints / PREVIOUS]


def _describe(
    folder: RunFolder, cfg: DictConfig, data: DataModule, overrides: Sequence[str]
) -> None:
    record = data_record(data.reports.values())
    if cfg.resume:
        folder.check_data(record)
        folder.note_resumption(overrides, describe_environment())
    else:
        folder.write_overrides(list(overrides))
        folder.write_json("environment.json", describe_environment())
        folder.write_json("data.json", record)
    # After a resumption too: the next one goes on from what this one changed.
    kept = cfg.copy()
    kept.resume = None
    folder.write_config(redacted_yaml(kept))


def _stopped_early(trainer: Trainer) -> bool:
    return any(stopping.stopped_epoch > 0 for stopping in callbacks_of(trainer, EarlyStopping))


def hide_secrets_of_multirun(folder: Path) -> None:
    """Hide secrets in the record that Hydra itself writes of a multirun's command line."""
    record = folder / "multirun.yaml"
    if record.is_file():
        replace_text(record, redact(record.read_text()))
