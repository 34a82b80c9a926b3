"""Train: a config goes in, a self-describing run folder comes out."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig
from pytorch_lightning import Trainer, seed_everything

from outtake.config.build_data import build_data
from outtake.config.build_label_maps import build_label_maps
from outtake.config.build_supervision import build_supervision
from outtake.config.build_task import build_task
from outtake.config.compose import is_hydra_program
from outtake.config.init_from import find_initial_files, read_members_weights
from outtake.config.instantiate import check_targets, resolve_config
from outtake.config.load_trained import make_checkpoint_record
from outtake.config.resume_config import (
    RESUME_AUTO,
    check_epoch_kept,
    check_same_run,
    load_resumed_config,
    read_run_config,
)
from outtake.config.schema import parse
from outtake.config.train_schema import TrainOptions
from outtake.core.errors import ConfigError, RankLostError
from outtake.core.files import check_folder
from outtake.data.datamodule import DataModule
from outtake.data.further_inputs import get_further_inputs
from outtake.data.labelled_clip import get_labelled_clip
from outtake.programs.library_warnings import quiet_libraries
from outtake.programs.run_places import find_resume_folder, name_run_folder, require_name
from outtake.programs.train_folds import train_folds
from outtake.programs.trainer_setup import (
    check_length,
    check_objective,
    check_validation_interval,
    explain_time_limit,
    make_trainer,
    warn_of_hidden_values,
    warn_of_limits,
)
from outtake.programs.training_interruption import (
    exit_for_signal,
    exit_on_sigterm,
    record_ending,
    resume_hint,
    translate_training_errors,
)
from outtake.programs.training_records import (
    ResumptionRecorder,
    check_notes,
    find_best_record,
    read_kept_summary,
    summarize_run,
    write_run_records,
)
from outtake.programs.trial_steps import fit_epochs_to_budget
from outtake.runs.logger_session import dashboard_session, make_loggers
from outtake.runs.run_folder import RunFolder
from outtake.sweeps.trial import trial_reporter, watch_driver
from outtake.sweeps.trial_callback import finish_trial
from outtake.training import collectives
from outtake.training.callbacks.early_stopping import check_monitored
from outtake.training.callbacks.throughput import Throughput
from outtake.training.checkpoint_files import latest_valid
from outtake.training.distributed.launch_environment import (
    LAUNCHED_RANKS,
    DistributedEnv,
    check_devices,
    detect_env,
)
from outtake.training.distributed.launcher import RankStoppedBySignal, launch_ranks
from outtake.training.initial_weights import describe_matches, load_into_members
from outtake.training.parameter_groups import ParameterOptions
from outtake.training.probe_network import check_network_output, iter_foreign_networks
from outtake.training.task import SegmentationTask
from outtake.training.training_length import read_resumption

log = logging.getLogger(__name__)


def train(
    cfg: DictConfig, run_dir: str | Path | None = None, overrides: Sequence[str] = ()
) -> float:
    """Train as the config says.

    Args:
        cfg: The config that ``conf/train.yaml`` composes.
        run_dir: The run folder; ``paths.runs/name`` by default.
        overrides: The command line, to be written down.

    Returns:
        The best ``objective``, which a sweep maximises. Of several folds their mean.

    Raises:
        OuttakeError: Something in the config or the data cannot work. Wherever that can be known
            before, the run folder is not made.
    """
    quiet_libraries()
    if cfg.get("reproduce"):
        raise ConfigError(
            "reproduce= is for outtake train, or reproduce() of outtake.programs.reproduce"
        )
    own_folder = name_run_folder(cfg, run_dir)
    if cfg.folds and cfg.fold is None:
        if cfg.resume == RESUME_AUTO and run_dir is None:
            require_name(cfg)
        parse(TrainOptions, resolve_config(cfg))
        return train_folds(cfg, own_folder, overrides, train)
    resumed = find_resume_folder(cfg, own_folder, has_fixed_name=run_dir is not None)
    if resumed is not None:
        cfg = _load_begun_config(cfg, resumed, overrides)
    tree = resolve_config(cfg)
    check_targets(tree)
    if LAUNCHED_RANKS not in os.environ:
        warn_of_hidden_values(tree)
    options = parse(TrainOptions, tree)
    if options.init_from and resumed is None:
        find_initial_files(options.init_from)
    env = check_devices(tree)
    folder = RunFolder(resumed or own_folder)
    with exit_on_sigterm():
        if env.world_size > 1 and env.launcher is None:
            return _launch_ranks(env, folder, options.objective)
        if LAUNCHED_RANKS in os.environ:
            watch_driver()
        return _train_in_process(cfg, options, folder, overrides, resume=resumed is not None)


def _train_in_process(
    cfg: DictConfig,
    options: TrainOptions,
    folder: RunFolder,
    overrides: Sequence[str],
    *,
    resume: bool,
) -> float:
    check_notes(cfg)
    seed_everything(int(cfg.seed), workers=True, verbose=False)
    begins_from = options.init_from if not resume else None
    initial = read_members_weights(begins_from) if begins_from else {}
    data = build_data(cfg)
    data.setup("fit")
    if options.budget_s is not None and not resume:
        _set_epochs_by_budget(cfg, options, data, options.budget_s)
    task = build_training_task(cfg, data, options.parameter_options())
    matches = load_into_members(task, initial, data.channels)
    throughput = Throughput()
    recorder = ResumptionRecorder(folder, cfg, overrides) if resume else None
    trainer = make_trainer(cfg, folder, throughput, [] if recorder is None else [recorder])
    check_objective(options.objective, task)
    check_monitored(trainer, task)
    check_validation_interval(trainer, data)
    warn_of_limits(trainer, data, cfg)
    trainer.loggers = loggers = make_loggers(cfg, folder)
    if trainer.is_global_zero:
        check_folder(folder.path)
        folder.create(resume=resume, restart_empty=cfg.resume == RESUME_AUTO)
    try:
        last = latest_valid(folder.resume_checkpoints()) if resume else None
        if last is not None:
            check_epoch_kept(cfg, folder.path, last, len(data.report("train").samples))
            task.resumption = read_resumption(last)
            check_length(trainer, task.resumption, folder)
        if trainer.is_global_zero:
            if recorder is not None:
                recorder.check(data)
            else:
                write_run_records(folder, cfg, data, overrides)
            if matches:
                folder.write_json("init_from.json", describe_matches(matches))
            for match in matches.values():
                log.info(f"{match.describe()}; all names: {folder.path / 'init_from.json'}")
            if task.frozen.names:
                log.info(task.frozen.describe())
        with dashboard_session(loggers, cfg, folder):
            with (
                record_ending(trainer, folder, recorder),
                translate_training_errors(trainer, folder, data),
            ):
                trainer.fit(task, datamodule=data, ckpt_path=last)
            return _conclude(trainer, folder, data, task, throughput, options.objective)
    finally:
        collectives.leave_process_group()
        folder.unlock()


def _set_epochs_by_budget(
    cfg: DictConfig, options: TrainOptions, data: DataModule, budget_s: float
) -> None:
    """Set ``trainer.max_epochs`` to what fits; the run's config has it, so that resuming does."""
    if detect_env(resolve_config(cfg.trainer)).world_size > 1:
        raise ConfigError(
            f"budget_s={budget_s:g}: several processes would measure several times; set "
            "trainer.max_epochs"
        )

    parts = options.parameter_options()
    if parts.unfreeze_epoch is not None:
        parts = replace(parts, freeze=())  # the longest steps that the training will have

    def make_task() -> SegmentationTask:
        return build_training_task(cfg, data, parts)

    cfg.trainer.max_epochs = fit_epochs_to_budget(cfg, make_task, data, budget_s)
    # What was tried has drawn numbers.
    seed_everything(int(cfg.seed), workers=True, verbose=False)


def build_training_task(
    cfg: DictConfig, data: DataModule, parameter_options: ParameterOptions
) -> SegmentationTask:
    """Build the task of a training: with what is frozen, and with what trains it beside labels.

    Raises:
        OuttakeError: Something in the config cannot work, or does not fit the data.
    """
    further, classes = get_further_inputs(data.source), len(data.labels.names)
    label_maps = build_label_maps(cfg, classes, data.further_labels, {
        name: data.report("train").further_class_frequencies(name) for name in data.further_labels
    })  # fmt: skip
    task = build_task(
        cfg,
        data.labels,
        data.channels,
        further_inputs=further,
        frequencies=data.class_frequencies("train"),
        label_maps=label_maps,
        parameter_options=parameter_options,
        has_unlabelled=data.report("val").ignored_pixels > 0,
        record=make_checkpoint_record(
            cfg,
            data.labels,
            data.channels,
            data.sample_range,
            further,
            get_labelled_clip(data.source),
            data.further_labels,
        ),
    )
    task.supervision = build_supervision(cfg, task.net, data)
    if task.supervision is not None:
        task.checkpoint_record["supervision"] = task.supervision.record
    for net, channels in iter_foreign_networks(task.net, data.channels):
        total = classes if label_maps is None else label_maps.total
        check_network_output(net, channels, total, data.train_image_size())
    return task


def _conclude(
    trainer: Trainer,
    folder: RunFolder,
    data: DataModule,
    task: SegmentationTask,
    throughput: Throughput,
    objective: str,
) -> float:
    if not trainer.is_global_zero:
        finish_trial(trainer, {})
        return 0.0
    summary = read_kept_summary(folder)
    if summary is None:
        summary = summarize_run(trainer, folder, data, task, throughput, objective)
        folder.write_json("summary.json", summary)
    else:
        print("the run had ended already, and its summary.json stays as it was")
    best = summary["best"]
    finish_trial(trainer, best | {key: summary[key] for key in ("parameters", "forward_ms")})
    if best:
        print(f"best {objective} {best[objective]:.4f} in {folder.path}")
    else:
        saved = f"with {summary['checkpoint']}" if summary["checkpoint"] else "without a checkpoint"
        print(f"ended before a validation, {saved}, in {folder.path}")
    if (line := explain_time_limit(trainer)) is not None:
        print(line)
    return float(best.get(objective, 0.0))


def _launch_ranks(env: DistributedEnv, folder: RunFolder, objective: str) -> float:
    if not is_hydra_program():
        raise ConfigError(
            f"trainer.devices={env.devices}: a call of train() is one process; run outtake train, "
            "or start the processes by torchrun or srun"
        )
    trial_reporter()  # the processes end with this one, and this one with the sweep that began it
    try:
        code = launch_ranks(env.processes_per_node, folder.path)
    except RankLostError as error:
        raise RankLostError(f"{error}; {resume_hint(folder)}") from error
    except RankStoppedBySignal as ended:
        raise exit_for_signal(ended.signal_number, folder) from None
    if code:
        raise SystemExit(code)
    return float(find_best_record(folder.metrics, objective).get(objective, 0.0))


def _load_begun_config(cfg: DictConfig, folder: Path, overrides: Sequence[str]) -> DictConfig:
    if cfg.resume == RESUME_AUTO:
        check_same_run(cfg, folder)
        if cfg.budget_s is not None:
            begun = read_run_config(folder, f"resume=auto in {folder}")
            cfg.trainer.max_epochs = begun.trainer.max_epochs
        return cfg
    return load_resumed_config(cfg, folder, overrides)
