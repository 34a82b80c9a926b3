"""Sweep: a search space goes in; a table, a page and the winner's experiment file come out."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig
from rich.console import Console

from outtake.config.compose import CONF_DIR, program_command
from outtake.config.experiment_file import list_hidden_keys
from outtake.config.group_overrides import settle_group_overrides
from outtake.config.instantiate import unresolved_config
from outtake.config.program_options import SweepOptions, read_options
from outtake.core.cpu import usable_processors
from outtake.core.errors import ConfigError, OutputError, Terminated
from outtake.core.files import replace_text
from outtake.core.redact import redact_overrides, redact_tree
from outtake.programs.command_line import TERMINATED_EXIT_CODE

try:
    import optuna
    import psutil  # noqa: F401  - the driver's processes need it; named here if it is missing

    from outtake.programs.trial_overrides import check_trial_config, refuse_chosen_keys
    from outtake.sweeps.driver import Driver
    from outtake.sweeps.driver_lock import acquire_lock
    from outtake.sweeps.gpu_assignment import assign_gpus
    from outtake.sweeps.progress import SweepProgress
    from outtake.sweeps.result import command_of_winner, terminal_table, write_report, write_winners
    from outtake.sweeps.search_space import Parameter, parse_space
    from outtake.sweeps.storage import hide_storage_address, storage_address
    from outtake.sweeps.study import SweepStudy
    from outtake.sweeps.sweep_config import (
        TRAIN_COMMAND,
        SweepConfig,
        make_objectives,
        write_wandb_sweep,
    )
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in ("optuna", "psutil"):
        raise
    raise ConfigError(f"outtake sweep needs {error.name}: pip install 'outtake[sweep]'") from error


def run_sweep(
    cfg: DictConfig,
    sweep_option: str | None,
    arguments: Sequence[str] = (),
    trial_overrides: Sequence[str] = (),
) -> Path:
    """Run a search as ``conf/sweep.yaml`` and an option of ``conf/sweep/`` say.

    Args:
        cfg: The composed config.
        sweep_option: The option of ``conf/sweep/``, which names the sweep unless ``name`` is given.
        arguments: The command line, which resumes the sweep after an interruption.
        trial_overrides: Overrides of ``outtake train`` for every trial, besides those of ``fixed``.

    Returns:
        The sweep's folder.

    Raises:
        OuttakeError: A value in the config cannot work, which shows before the first trial wherever
            it can; another driver is at work; or no trial works.
    """
    options = read_options(SweepOptions, cfg)
    sweep = make_sweep_config(options, sweep_option, arguments, trial_overrides)
    if options.command is None:
        check_overrides(sweep)
    if options.export_wandb is not None:
        target = options.export_wandb
        write_wandb_sweep(target, sweep)
        print(f"written to {target}; start it with: wandb sweep {shlex.quote(str(target))}")
        return sweep.folder
    lock = acquire_lock(sweep.folder)
    try:
        _drive(sweep, cfg)
    except optuna.exceptions.StorageInternalError as error:
        reason = " ".join(str(error.__cause__ or error).split())[:200]
        raise OutputError(
            f"the sweep's storage failed ({reason}); when it works again, resume with: "
            f"{sweep.resume_command}"
        ) from error
    finally:
        lock.release()
    return sweep.folder


def _drive(sweep: SweepConfig, cfg: DictConfig) -> None:
    study = SweepStudy(sweep)
    try:
        record = unresolved_config(cfg) | {
            "fixed": list(sweep.fixed),
            "storage": hide_storage_address(str(cfg.storage)),
        }
        text = yaml.safe_dump(redact_tree(record), sort_keys=False)
        replace_text(sweep.folder / "sweep.yaml", text)
        best = study.best_trials()
        done = len(study.counted_trials())
        if done:
            print(f"{done} of {sweep.n_trials} trials are done already")
        with SweepProgress(sweep, (best[0].values[0], best[0].number) if best else None) as shown:
            Driver(sweep, study, shown).run()
    except KeyboardInterrupt as interrupt:
        done = len(study.counted_trials())
        line = f"{done} of {sweep.n_trials} trials are done; resume with: {sweep.resume_command}"
        if isinstance(interrupt, Terminated):
            print(f"ended by SIGTERM; {line}", file=sys.stderr)
            sys.exit(TERMINATED_EXIT_CODE)
        raise KeyboardInterrupt(line) from None
    write_report(sweep.folder / "report.html", sweep, study)
    Console().print(terminal_table(sweep, study))
    print(f"plots: {sweep.folder / 'report.html'}")
    best_file = write_winners(sweep, study)
    print(f"best: {best_file}; {'train' if sweep.is_of_train else 'run'} it again with:")
    hidden = list_hidden_keys(sweep.fixed) if sweep.is_of_train else []
    secrets = "".join(f" {key}=SECRET" for key in hidden)
    print(f"  {command_of_winner(sweep, study.best_trials()[0], 'best')}{secrets}")


def make_sweep_config(
    options: SweepOptions,
    sweep_option: str | None,
    arguments: Sequence[str] = (),
    trial_overrides: Sequence[str] = (),
) -> SweepConfig:
    """Turn the options of a sweep into its settings; the arguments are those of :func:`run_sweep`.

    Raises:
        ConfigError: A value is not allowed.
    """
    name = options.name or sweep_option or ""
    if not name:
        known = ", ".join(sorted(path.stem for path in (CONF_DIR / "sweep").glob("*.yaml")))
        raise ConfigError(f"sweep has no value; allowed are {known}, or name=NAME and a space")
    if Path(name).name != name or name in (".", ".."):
        raise ConfigError(f"name={name}: must be a name, not a path; set paths.runs=PATH instead")
    folder = options.paths.runs / "sweeps" / name
    fixed = [*(options.fixed or []), *trial_overrides]
    parameters = parse_space(options.space)
    refuse_chosen_keys(fixed, parameters, own_program=options.command is not None)
    return SweepConfig(
        name=name,
        folder=folder,
        parameters=parameters,
        objectives=make_objectives(options.objectives),
        fixed=fixed,
        command=options.command or list(TRAIN_COMMAND),
        n_trials=options.n_trials,
        n_jobs=options.n_jobs,
        retries=options.retries,
        timeout_s=options.timeout_s,
        give_up_after=options.give_up_after,
        storage=storage_address(options.storage, folder),
        sampler=_optuna_class(options.sampler, "TPESampler"),
        pruner=_optuna_class(options.pruner, "NopPruner"),
        seed=options.seed,
        gpu_slots=assign_gpus(options.gpus, options.gpus_per_trial, options.n_jobs),
        threads=_threads_per_trial(options.threads, options.n_jobs),
        resume_command=_resume_command(arguments, trial_overrides),
    )


def _optuna_class(option: str | Mapping[str, Any] | None, default: str) -> Mapping[str, Any]:
    return option if isinstance(option, Mapping) else {"kind": option or default}


def _threads_per_trial(option: int | str | None, n_jobs: int) -> int | None:
    if option != "auto":
        return None if option is None else int(option)
    return None if n_jobs == 1 else max(1, usable_processors() // n_jobs)


def _resume_command(arguments: Sequence[str], trial_overrides: Sequence[str]) -> str:
    # The address of a storage may hold a password; the user puts it in again.
    words = [
        hide_storage_address(word) if word.lstrip("+").startswith("storage=") else word
        for word in arguments
    ]
    dashes = ["--"] if trial_overrides else []
    program = shlex.split(program_command("sweep"))
    return shlex.join([*program, *redact_overrides([*words, *dashes, *trial_overrides])])


def check_overrides(sweep: SweepConfig) -> None:
    """Compose the config of a trial for every choice and every end of a range.

    Raises:
        ConfigError: A trial would not be a run in its own folder.
        HydraException: ``outtake train`` does not have a key or an option.
    """
    first = {p.name: p.representative_values()[0] for p in sweep.parameters}
    tried: list[dict[str, Any]] = [first]
    for parameter in sweep.parameters:
        tried += [first | {parameter.name: value} for value in _values_to_compose(parameter)]
    with _nested_compose():
        usual = hydra.compose("train")
        for params in tried:
            overrides = [*sweep.overrides(params), "name=trial"]
            cfg = hydra.compose("train", settle_group_overrides(overrides, CONF_DIR))
            check_trial_config(cfg, usual)


def _values_to_compose(parameter: Parameter) -> list[Any]:
    # A number composes if another number does.
    values = parameter.representative_values()[1:]
    return [value for value in values if isinstance(value, str)]


@contextmanager
def _nested_compose() -> Iterator[None]:
    """Compose beside the config with which Hydra runs this program."""
    instance = GlobalHydra.instance()
    running = instance.hydra
    instance.clear()
    try:
        with hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"):
            yield
    finally:
        instance.hydra = running
