"""The Trainer of a run, with the callbacks and plugins that every run has."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint, Timer, WeightAveraging

from outtake.config.instantiate import instantiate, resolve_config, select_entries
from outtake.core.errors import ConfigError
from outtake.core.redact import HIDDEN
from outtake.core.trees import flatten
from outtake.core.validate import check_number
from outtake.data.datamodule import DataModule
from outtake.programs.trial_steps import limit_batches
from outtake.runs.run_folder import RunFolder
from outtake.sweeps.trial_callback import trial_callbacks
from outtake.training.callbacks.final_validation import FinalValidation
from outtake.training.callbacks.nan_guard import NanGuard
from outtake.training.callbacks.throughput import Throughput
from outtake.training.callbacks.validation_tables import ConfusionMatrixWriter
from outtake.training.callbacks.weight_average import WeightAverage
from outtake.training.checkpoint_files import LAST_CHECKPOINT, AtomicCheckpointIO
from outtake.training.distributed.launch_environment import cluster_environment, detect_env
from outtake.training.distributed.requeue import requeue_signals
from outtake.training.distributed.sync_batchnorm import SyncBatchNormPlugin
from outtake.training.optimizer_average import OptimizerAverage
from outtake.training.precision import resolve_precision
from outtake.training.random_state import SeedEachRank
from outtake.training.resume import LastCheckpoint
from outtake.training.task import SegmentationTask
from outtake.training.trainer_info import find_callbacks
from outtake.training.training_length import Resumption

log = logging.getLogger(__name__)

OBJECTIVE = "val/miou"
_MAX_TIME = (
    "trainer.max_time={}: must be DD:HH:MM:SS, as in 00:08:00:00 for eight hours, or a mapping "
    "such as {{hours: 8}}"
)


def check_objective(objective: str, task: SegmentationTask) -> None:
    """Raise a ConfigError unless the best checkpoint is that of a mIoU which validation logs."""
    maps = () if task.label_maps is None else task.label_maps.further
    allowed = [OBJECTIVE, *(f"val/{name}/miou" for name in maps)]
    if objective not in allowed:
        raise ConfigError(f"objective={objective}: allowed are {', '.join(allowed)}")


def make_trainer(
    cfg: DictConfig,
    folder: RunFolder,
    throughput: Throughput | None = None,
    recorders: Sequence[Callback] = (),
) -> Trainer:
    """Build the Trainer with its callbacks and plugins; nothing is written yet.

    Args:
        cfg: The config.
        folder: The run folder.
        throughput: What measures the speed.
        recorders: What writes records of the run beside.
    """
    world = detect_env(resolve_config(cfg.trainer))
    callbacks = list(instantiate(select_entries(cfg.get("callbacks"), "callbacks")).values())
    _check_averages(
        callbacks,
        str(resolve_config(cfg.optimizer).get("_target_")),
        cfg.trainer.get("precision"),
    )
    best = ModelCheckpoint(
        dirpath=folder.checkpoints,
        filename="best",
        monitor=str(cfg.objective),
        mode="max",
        enable_version_counter=False,
        # Left to itself, Lightning takes an interval of 1 batch for one of 1.0 epochs.
        save_on_train_epoch_end=False,
    )
    last = LastCheckpoint(
        folder.checkpoints / LAST_CHECKPOINT, cfg.get("checkpoint_every_n_steps"), requeue_signals()
    )
    is_distributed = world.world_size > 1
    seeds = [SeedEachRank(int(cfg.seed))] if is_distributed else []
    layers = [SyncBatchNormPlugin(on_gpu=world.uses_gpu)] if is_distributed else []
    timers = _make_timers(resolve_config(cfg.trainer).get("max_time"))
    # The throughput must come first and the NaN guard last; each class says why.
    safeguards = [throughput or Throughput(), ConfusionMatrixWriter(folder.confusion), NanGuard()]
    if cfg.trainer.get("profiler"):
        logging.getLogger("pytorch_lightning.profilers").setLevel(logging.INFO)  # its summary
    trainer: Trainer = instantiate(
        cfg.trainer,
        default_root_dir=str(folder.path),
        callbacks=[
            last,
            *recorders,
            OptimizerAverage(),
            *seeds,
            *callbacks,
            *trial_callbacks(),
            *timers,
            FinalValidation(),
            *safeguards,
            best,
        ],
        logger=False,
        plugins=[AtomicCheckpointIO(), cluster_environment(world), *layers],
        devices=world.devices,
        num_nodes=world.nodes,
        max_time=None,
        precision=resolve_precision(cfg.trainer.get("precision"), on_gpu=world.uses_gpu),
        **({} if is_distributed else {"strategy": "auto"}),
    )
    return trainer


def _check_averages(callbacks: Sequence[object], optimizer: str, precision: object) -> None:
    averages = [each for each in callbacks if isinstance(each, WeightAveraging)]
    names = [type(each).__name__ for each in averages]
    if str(precision).endswith("-true") and precision != "32-true":
        for name, average in zip(names, averages, strict=True):
            if not isinstance(average, WeightAverage):
                raise ConfigError(
                    f"trainer.precision={precision}: at each validation {name} rounds what it "
                    "averages to that of the network; take callbacks=ema or callbacks=swa, or "
                    "another precision, such as bf16-mixed"
                )
    if optimizer.startswith("schedulefree."):
        names.insert(0, f"optimizer {optimizer.rpartition('.')[2]}")
    if len(names) > 1:
        raise ConfigError(
            f"callbacks: {' and '.join(names)} would each put its own average in the place of the "
            "weights; keep one"
        )


def _make_timers(max_time: object) -> list[Timer]:
    """Return what stops a fit when its time is up; nothing where it has no limit.

    Lightning would make it itself, but after FinalValidation, which would not see that it stops.
    """
    if max_time is None:
        return []
    if not isinstance(max_time, str | dict):
        raise ConfigError(_MAX_TIME.format(max_time))
    try:
        return [Timer(max_time)]
    except (MisconfigurationException, TypeError) as error:
        raise ConfigError(_MAX_TIME.format(max_time)) from error


def check_length(trainer: Trainer, resumed: Resumption, folder: RunFolder) -> None:
    """Raise a ConfigError if a resumed run is to be shorter than what is done of it."""
    begun_epochs = resumed.epochs + (resumed.batches > 0)
    for key, limit, least, said in (
        ("max_epochs", trainer.max_epochs, begun_epochs, f"begun {begun_epochs} epochs"),
        ("max_steps", trainer.max_steps, resumed.steps, f"done {resumed.steps} steps"),
    ):
        if limit is not None and 0 <= limit < least:
            raise ConfigError(
                f"trainer.{key}={limit}: {folder.path} has {said}, and a run cannot become "
                f"shorter; set at least {least}, or begin another run"
            )


def check_validation_interval(trainer: Trainer, data: DataModule) -> None:
    """Raise a ConfigError if a validation is due after more batches than an epoch has."""
    every, batches = trainer.val_check_interval, _count_batches(trainer, data)
    if trainer.check_val_every_n_epoch is not None and isinstance(every, int) and every > batches:
        raise ConfigError(
            f"trainer.val_check_interval={every}: an epoch has {batches} batches; set at most so "
            "many, or trainer.check_val_every_n_epoch=null to count on over epochs"
        )


def warn_of_hidden_values(tree: Mapping[str, Any]) -> None:
    """Name what an earlier config held as a secret, which was hidden when it was written."""
    for key, value in flatten(tree).items():
        if HIDDEN in str(value):
            log.warning("%s holds %s, a secret that was hidden; give it again", key, HIDDEN)


def warn_of_limits(trainer: Trainer, data: DataModule, cfg: DictConfig) -> None:
    """Say what a training ends before, because it is shorter.

    Raises:
        ConfigError: A number of steps that the rate rises for is none.
    """
    of_epoch = -(-_count_batches(trainer, data) // int(trainer.accumulate_grad_batches))
    epochs = -1 if trainer.max_epochs is None else trainer.max_epochs
    if 0 <= epochs * of_epoch < trainer.max_steps:
        log.warning(
            "trainer.max_epochs=%d ends the training after %d steps, before trainer.max_steps=%d; "
            "trainer.max_epochs=-1 leaves it to the steps", epochs, epochs * of_epoch,
            trainer.max_steps,
        )  # fmt: skip
    limits = [limit for limit in (epochs * of_epoch, trainer.max_steps) if limit >= 0]
    if not limits or not of_epoch:
        return
    steps = min(limits)
    unfreeze_epoch = cfg.get("unfreeze_epoch")
    if unfreeze_epoch is not None and unfreeze_epoch * of_epoch >= steps:
        log.warning(
            "unfreeze_epoch=%d: the training has %d epochs, counted from 0, so what is frozen "
            "stays so", unfreeze_epoch, -(-steps // of_epoch),
        )  # fmt: skip
    # A schedule gets to the rate in the step after its warmup, an optimizer in the last one of it.
    for group, reached in (("scheduler", 1), ("optimizer", 0)):
        warmup = (resolve_config(cfg.get(group)) or {}).get("warmup_steps")
        check_number(f"{group}.warmup_steps", warmup, 0, whole=True, optional=True)
        if warmup and steps < warmup + reached:
            log.warning(
                "%s.warmup_steps=%d: the training has %d steps, so the rate never gets as high as "
                "optimizer.lr", group, warmup, steps,
            )  # fmt: skip


def explain_time_limit(trainer: Trainer) -> str | None:
    """Return one line if the time of a training was up; None if it was not."""
    left_s = [timer.time_remaining() for timer in find_callbacks(trainer, Timer)]
    if not any(left is not None and left <= 0 for left in left_s):
        return None
    return (
        f"trainer.max_time has ended it after {trainer.global_step} steps; resuming with a longer "
        "one, or with trainer.max_time=null, goes on"
    )


def _count_batches(trainer: Trainer, data: DataModule) -> int:
    return limit_batches(len(data.train_dataloader()), trainer.limit_train_batches)
