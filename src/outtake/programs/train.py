"""Train: a config goes in, a self-describing run folder comes out."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Trainer, seed_everything
from pytorch_lightning.callbacks import EarlyStopping, LambdaCallback, ModelCheckpoint
from pytorch_lightning.callbacks.early_stopping import EarlyStoppingReason
from torch.distributed.tensor import DTensor

from outtake.config.build import build_data, build_task
from outtake.config.instantiate import check_targets, instantiate, resolve_config
from outtake.config.load_trained import load_trained, make_checkpoint_record, to_redacted_yaml
from outtake.config.resume_config import check_same_run, load_resumed_config
from outtake.core.errors import CheckpointError, ConfigError, RankLostError
from outtake.core.files import check_folder
from outtake.core.validate import check_number
from outtake.data.datamodule import DataModule
from outtake.data.fingerprint import make_data_record
from outtake.programs.training_interruption import (
    exit_for_signal,
    exit_on_sigterm,
    resume_hint,
    translate_training_errors,
)
from outtake.runs.environment import describe_environment, device_name
from outtake.runs.logger_session import dashboard_session, make_loggers
from outtake.runs.run_folder import RunFolder
from outtake.sweeps.trial import trial_reporter, watch_driver
from outtake.sweeps.trial_callback import finish_trial, trial_callbacks
from outtake.training import collectives
from outtake.training.callbacks.confusion_matrix import ConfusionMatrixWriter
from outtake.training.callbacks.early_stopping import check_monitored
from outtake.training.callbacks.nan_guard import NanGuard
from outtake.training.callbacks.throughput import Throughput
from outtake.training.checkpoint_files import (
    LAST_CHECKPOINT,
    PREVIOUS_CHECKPOINT,
    AtomicCheckpointIO,
    latest_valid,
)
from outtake.training.distributed.environment import (
    LAUNCHED_RANKS,
    DistributedEnv,
    check_devices,
    cluster_environment,
    detect_env,
    global_rank,
)
from outtake.training.distributed.launcher import (
    RUN_DIR_VARIABLE,
    RankStoppedBySignal,
    launch_ranks,
)
from outtake.training.distributed.requeue import requeue_signals
from outtake.training.distributed.sync_batchnorm import SyncBatchNormPlugin
from outtake.training.forward_time import measure_forward
from outtake.training.probe_network import check_network_output
from outtake.training.random_state import SeedEachRank
from outtake.training.resume import LastCheckpoint
from outtake.training.task import SegmentationTask
from outtake.training.trainer_info import find_callbacks

OBJECTIVE = "val/miou"
RESUME_AUTO = "auto"


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
        raise ConfigError(
            "reproduce= is for train.py, or reproduce() of outtake.programs.reproduce"
        )
    place = Path(run_dir or Path(cfg.paths.runs).expanduser() / str(cfg.name))
    resumed = find_resume_folder(
        cfg, Path(os.environ.get(RUN_DIR_VARIABLE) or place), has_fixed_name=run_dir is not None
    )
    if resumed is not None:
        if cfg.resume == RESUME_AUTO:
            check_same_run(cfg, resumed)
        else:
            cfg = load_resumed_config(cfg, resumed, overrides)
    tree = resolve_config(cfg)
    check_targets(tree)
    _check_values(cfg)
    world = check_devices(tree)
    folder = RunFolder(resumed or os.environ.get(RUN_DIR_VARIABLE) or place)
    with exit_on_sigterm():
        if world.world_size > 1 and world.launcher is None:
            return _launch_ranks(world, folder)
        if LAUNCHED_RANKS in os.environ:
            watch_driver()
        return _train_in_process(cfg, folder, overrides, resume=resumed is not None)


def _check_values(cfg: DictConfig) -> None:
    check_number("seed", cfg.seed, 0, 2**32 - 1, whole=True)
    every = cfg.get("checkpoint_every_n_steps")
    check_number("checkpoint_every_n_steps", every, 1, whole=True, optional=True)
    trainer = cfg.trainer
    clip = trainer.get("gradient_clip_val")
    check_number("trainer.gradient_clip_val", clip, 0, optional=True)
    if cfg.get("scheduler") and trainer.max_epochs == -1 and trainer.get("max_steps", -1) == -1:
        raise ConfigError(
            "trainer.max_epochs=-1: a schedule of the learning rate needs the run's length; set "
            "trainer.max_epochs or +trainer.max_steps, or scheduler=null"
        )


def _check_validation_interval(trainer: Trainer, data: DataModule) -> None:
    every, batches = trainer.val_check_interval, len(data.train_dataloader())
    limit = trainer.limit_train_batches
    batches = min(limit, batches) if isinstance(limit, int) else int(limit * batches)
    if trainer.check_val_every_n_epoch is not None and isinstance(every, int) and every > batches:
        raise ConfigError(
            f"trainer.val_check_interval={every}: an epoch has {batches} batches; set at most so "
            "many, or trainer.check_val_every_n_epoch=null to count on over epochs"
        )


def _launch_ranks(world: DistributedEnv, folder: RunFolder) -> float:
    if not HydraConfig.initialized():
        raise ConfigError(
            f"trainer.devices={world.devices}: a call of train() is one process; run train.py, or "
            "start the processes by torchrun or srun"
        )
    trial_reporter()  # the processes end with this one, and this one with the sweep that began it
    try:
        code = launch_ranks(world.processes_per_node, folder.path)
    except RankLostError as error:
        raise RankLostError(f"{error}; {resume_hint(folder)}") from error
    except RankStoppedBySignal as ended:
        raise exit_for_signal(ended.signal_number, folder) from None
    if code:
        raise SystemExit(code)
    return float(find_best_record(folder.metrics).get(OBJECTIVE, 0.0))


def _train_in_process(
    cfg: DictConfig, folder: RunFolder, overrides: Sequence[str], *, resume: bool
) -> float:
    seed_everything(int(cfg.seed), workers=True, verbose=False)
    data = build_data(cfg)
    data.setup("fit")
    task = build_task(
        cfg,
        data.labels,
        data.channels,
        frequencies=data.class_frequencies("train"),
        record=make_checkpoint_record(cfg, data.labels, data.channels),
    )
    if not type(task.net).__module__.startswith("outtake."):
        check_network_output(
            task.net, data.channels, len(data.labels.names), data.train_image_size()
        )
    throughput = Throughput()
    trainer = make_trainer(cfg, folder, throughput)
    check_monitored(trainer, task)
    _check_validation_interval(trainer, data)
    trainer.loggers = loggers = make_loggers(cfg, folder)
    if trainer.is_global_zero:
        check_folder(folder.path)
        folder.create(resume=resume, restart_empty=cfg.resume == RESUME_AUTO)
        _write_run_records(folder, cfg, data, overrides, resume=resume)
    try:
        with dashboard_session(loggers, cfg, folder):
            return _fit_and_summarize(trainer, folder, data, task, throughput, resume=resume)
    finally:
        collectives.leave_process_group()
        folder.unlock()


def make_trainer(
    cfg: DictConfig, folder: RunFolder, throughput: Throughput | None = None
) -> Trainer:
    """Build the Trainer with its callbacks and plugins; nothing is written yet."""
    world = detect_env(resolve_config(cfg.trainer))
    callbacks = list(instantiate(cfg.get("callbacks") or {}).values())
    best = ModelCheckpoint(
        dirpath=folder.checkpoints,
        filename="best",
        monitor=OBJECTIVE,
        mode="max",
        enable_version_counter=False,
    )
    last = LastCheckpoint(
        folder.checkpoints / LAST_CHECKPOINT, cfg.get("checkpoint_every_n_steps"), requeue_signals()
    )
    # Only where there is something left to do: Lightning does not call it otherwise.
    start_marker = LambdaCallback(
        on_train_start=lambda trainer, _: _mark_training_started(trainer, folder)
    )
    is_distributed = world.world_size > 1
    seeds = [SeedEachRank(int(cfg.seed))] if is_distributed else []
    layers = [SyncBatchNormPlugin(on_gpu=world.uses_gpu)] if is_distributed else []
    # The first and the last have to be; each says why.
    safeguards = [throughput or Throughput(), ConfusionMatrixWriter(folder.confusion), NanGuard()]
    if cfg.trainer.get("profiler"):
        logging.getLogger("pytorch_lightning.profilers").setLevel(logging.INFO)  # its summary
    trainer: Trainer = instantiate(
        cfg.trainer,
        default_root_dir=str(folder.path),
        callbacks=[last, start_marker, *seeds, *callbacks, *trial_callbacks(), *safeguards, best],
        logger=False,
        plugins=[AtomicCheckpointIO(), cluster_environment(world), *layers],
        devices=world.devices,
        num_nodes=world.nodes,
        **({} if is_distributed else {"strategy": "auto"}),
    )
    return trainer


def _mark_training_started(trainer: Trainer, folder: RunFolder) -> None:
    if trainer.is_global_zero:
        folder.discard_summary()


def _fit_and_summarize(
    trainer: Trainer,
    folder: RunFolder,
    data: DataModule,
    task: SegmentationTask,
    throughput: Throughput,
    *,
    resume: bool,
) -> float:
    last = latest_valid(_resume_checkpoints(folder)) if resume else None
    with translate_training_errors(trainer, folder, data):
        trainer.fit(task, datamodule=data, ckpt_path=last)
    wall_s = throughput.wall_time_s()
    if not trainer.is_global_zero:
        finish_trial(trainer, {})
        return 0.0
    best = find_best_record(folder.metrics)
    summary = {
        "objective": OBJECTIVE,
        "best": best,
        "checkpoint": f"checkpoints/{_best_checkpoint_name(folder)}",
        "epochs": trainer.current_epoch,
        "steps": trainer.global_step,
        "wall_time_s": round(wall_s, 3),
        "samples_per_second": throughput.samples_per_second(),
        "parameters": sum(p.numel() for p in task.net.parameters()),
        "stopped_early": _has_stopped_early(trainer),
        **_time_forward(trainer, data, _gather_sharded_task(task, folder)),
    }
    folder.write_json("summary.json", summary)
    finish_trial(trainer, best | {key: summary[key] for key in ("parameters", "forward_ms")})
    if best:
        print(f"best {OBJECTIVE} {best[OBJECTIVE]:.4f} in {folder.path}")
    else:
        print(f"ended before a validation, with checkpoints/{LAST_CHECKPOINT}, in {folder.path}")
    return float(best.get(OBJECTIVE, 0.0))


def _best_checkpoint_name(folder: RunFolder) -> str:
    return "best.ckpt" if (folder.checkpoints / "best.ckpt").is_file() else LAST_CHECKPOINT


def _gather_sharded_task(task: SegmentationTask, folder: RunFolder) -> SegmentationTask:
    # Weights that are divided among the ranks can not be used by one alone.
    divided = any(isinstance(weight, DTensor) for weight in task.parameters())
    return load_trained(folder.path, task.device).task if divided else task


def _time_forward(trainer: Trainer, data: DataModule, task: SegmentationTask) -> dict[str, Any]:
    device = trainer.strategy.root_device
    record = measure_forward(task, data.eval_image_size("val"), data.channels, device)
    record["forward"]["device"] = device_name(device)
    return record


def find_best_record(metrics: Path) -> dict[str, Any]:
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
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*Checkpoint directory .* exists and is not empty.*",
        ".*The number of training batches.*is smaller than the logging interval.*",
        ".*resuming from a checkpoint that ended before the epoch ended.*",
        ".*isinstance\\(treespec, LeafSpec\\).*",
        ".*_pytree_.*",
        ".*lr_scheduler.step.*before.*optimizer.step.*",
        ".*could not find the monitored key.*",  # ended before a validation, which is said
        ".*FSDP2-wrapped module .* returned a view tensor.*",  # nothing is added to it in place
        ".*sync_dist=True.*",  # what is logged once an epoch is the same on every rank
    ):
        warnings.filterwarnings("ignore", message)
    if global_rank():
        # The first rank says it.
        warnings.filterwarnings("ignore")
        logging.getLogger("outtake").setLevel(logging.ERROR)


def find_resume_folder(cfg: DictConfig, own_folder: Path, *, has_fixed_name: bool) -> Path | None:
    """Return the folder of the run that shall go on, None for one that begins.

    Args:
        cfg: with ``resume``: null, a run folder, or ``auto``: this command's own run, if it has
            anything to go on from.
        own_folder: the run folder that this command has by itself.
        has_fixed_name: it will be the same when the command is given again, whatever ``name`` is.

    Raises:
        CheckpointError: there is nothing to go on from in the folder that was given.
        ConfigError: ``auto``, and the name of the run is the time.
    """
    if not cfg.resume:
        return None
    automatic = cfg.resume == RESUME_AUTO
    if automatic and not has_fixed_name and OmegaConf.is_interpolation(cfg, "name"):
        raise ConfigError("resume=auto: the run needs a name of its own to find again: name=NAME")
    folder = own_folder if automatic else Path(cfg.resume).expanduser()
    if any(path.is_file() for path in _resume_checkpoints(RunFolder(folder))):
        return folder
    if automatic:
        return None
    raise CheckpointError(
        f"resume={folder}: no checkpoints/last.ckpt there; give the run folder of train.py"
    )


def _resume_checkpoints(folder: RunFolder) -> list[Path]:
    return [folder.checkpoints / LAST_CHECKPOINT, folder.checkpoints / PREVIOUS_CHECKPOINT]


def _write_run_records(
    folder: RunFolder,
    cfg: DictConfig,
    data: DataModule,
    overrides: Sequence[str],
    *,
    resume: bool,
) -> None:
    record = make_data_record(data.reports.values())
    if resume:
        folder.check_data(record)
        folder.log_resume(overrides, describe_environment())
    else:
        folder.write_overrides(list(overrides))
        folder.write_json("environment.json", describe_environment())
        folder.write_json("data.json", record)
    # After a resumption too: the next one goes on from what this one changed.
    saved_cfg = cfg.copy()
    saved_cfg.resume = None
    folder.write_config(to_redacted_yaml(saved_cfg))


def _has_stopped_early(trainer: Trainer) -> bool:
    ended = [stopping.stopping_reason for stopping in find_callbacks(trainer, EarlyStopping)]
    return any(reason != EarlyStoppingReason.NOT_STOPPED for reason in ended)
