"""The config that a run was begun with, and what a later command line may change in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from outtake.config.compose import CONF_DIR
from outtake.config.instantiate import resolve_config
from outtake.config.load_trained import read_untrusted_config, to_unresolved_dict
from outtake.config.schema import show_value
from outtake.core.errors import ConfigError, OuttakeError
from outtake.core.format_version import check_format_version
from outtake.core.json_files import read_json_object
from outtake.core.redact import redact_tree
from outtake.core.trees import flatten
from outtake.training.checkpoint_files import read_checkpoint
from outtake.training.resume import RESUME_KEY

RESUME_AUTO = "auto"

# What this machine and this command decide, and no saved config.
_NOT_REPRODUCED_KEYS = ("paths", "name", "resume", "reproduce")
# What the checkpoint of a run belongs to: the network, its input, and the state of all draws.
_KEPT_KEYS = ("model", "normalize", "seed", "init_from", "objective", "folds", "fold", "fold_by")
# What does not decide what a run learns.
_FREE_KEYS = ("paths", "name", "resume", "reproduce", "logger", "find")
_FREE_SETTINGS = (
    "checkpoint_every_n_steps",
    "data.workers",
    "trainer.enable_progress_bar",
    "trainer.log_every_n_steps",
)
# How the weights are divided, which the state of the optimizer belongs to.
_KEPT_DIVISION = ("freeze", "unfreeze_epoch", "decay_norms_and_biases")
_KEPT_CLASSES = ("optimizer", "scheduler")
# What the batches of an epoch are.
_EPOCH_KEYS = (
    "data.batch_size",
    "data.samples_per_epoch",
    "data.unlabelled_batch_size",
    "trainer.accumulate_grad_batches",
    "trainer.limit_train_batches",
)


def read_run_config(
    folder: Path, option: str, is_guarded: Callable[[str], bool] = lambda key: False
) -> DictConfig:
    """Read the ``config.yaml`` of a run folder, which may be of unknown origin.

    Args:
        folder: The run folder.
        option: The option that named it, such as "resume=runs/NAME", for messages.
        is_guarded: Returns whether the values of a top-level key must not call a resolver.

    Raises:
        CheckpointError: Another version of Outtake made the run.
        ConfigError: The file is missing or cannot be read.
        ForbiddenTargetError: A target, an alias or a resolver is not allowed.
        RecordError: ``environment.json`` is damaged.
    """
    try:
        environment = read_json_object(folder / "environment.json", "restore it from a copy")
        if environment is None:
            raise ConfigError(f"{option}: {folder / 'environment.json'} is missing")
        check_format_version(folder, environment.get("format"))
        return read_untrusted_config((folder / "config.yaml").read_text(), is_guarded)
    except OuttakeError:
        raise
    except FileNotFoundError as error:
        raise ConfigError(f"{option}: {error.filename} is missing") from error
    except (
        OSError,
        ValueError,
        TypeError,
        AttributeError,
        RecursionError,
        yaml.YAMLError,
    ) as error:
        raise ConfigError(f"{option}: its records cannot be read: {error}") from error
    except OmegaConfBaseException as error:
        raise ConfigError(f"{option}: its config.yaml cannot be read: {error}") from error


def check_same_run(cfg: DictConfig, folder: Path) -> None:
    """Raise a ConfigError if a command would resume a run that it did not begin.

    The command is the whole one that began the run: what a resumed run can change may differ.
    """
    saved = read_run_config(folder, f"resume=auto in {folder}")
    saved.paths = cfg.paths
    if cfg.budget_s is not None and cfg.budget_s != saved.get("budget_s"):
        raise _budget_error(cfg, folder)
    _check_kept(saved, cfg, f"resume=auto in {folder}")


def check_same_settings(cfg: DictConfig, folder: Path, free_keys: Collection[str]) -> None:
    """Raise a ConfigError if a command would not train a run as it was trained, in all settings.

    For runs that are compared with each other, such as the folds of one training.

    Args:
        cfg: The config of the command.
        folder: The folder of the run.
        free_keys: Further top-level keys that may differ.
    """
    option = f"resume=auto in {folder}"
    saved = read_run_config(folder, option)
    saved.paths = cfg.paths
    before, now = (_deciding_settings(each, free_keys) for each in (saved, cfg))
    if cfg.budget_s is not None:  # what was measured
        now["trainer.max_epochs"] = before.get("trainer.max_epochs")
    for key in [*now, *before]:
        if repr(before.get(key)) != repr(now.get(key)):
            raise ConfigError(
                f"{option}: {key} was {show_value(before.get(key))} when it was trained and is now "
                f"{show_value(now.get(key))}: it would not be comparable with the others; leave it "
                "as it was, or choose another name"
            )


def _deciding_settings(cfg: DictConfig, free_keys: Collection[str]) -> dict[str, Any]:
    keys = (str(key) for key in cfg if key not in (*_FREE_KEYS, *free_keys))
    settings = flatten(redact_tree({key: resolve_config(cfg.get(key)) for key in keys}))
    return {key: value for key, value in settings.items() if key not in _FREE_SETTINGS}


def _check_kept(saved: DictConfig, cfg: DictConfig, option: str) -> None:
    """Raise a ConfigError that names the first key that cannot change any more."""
    before, now = _kept_settings(saved), _kept_settings(cfg)
    for key in [*now, *before]:
        if not _is_same(before.get(key), now.get(key)):
            raise ConfigError(
                f"{option}: {key} was {show_value(before.get(key))} when the run was begun and "
                f"cannot become {show_value(now.get(key))}: the weights and states of its "
                "checkpoint belong to it; leave it as it was, or begin another run"
            )


def _is_same(before: Any, now: Any) -> bool:
    """Return whether two values mean the same: 0 is 0.0, but 1 is not true."""
    if isinstance(before, list) and isinstance(now, list):
        return len(before) == len(now) and all(map(_is_same, before, now))
    numbers = [type(each) in (int, float) for each in (before, now)]
    return bool(before == now) if all(numbers) else repr(before) == repr(now)


def _kept_settings(cfg: DictConfig) -> dict[str, Any]:
    tree = {key: resolve_config(cfg.get(key)) for key in (*_KEPT_KEYS, *_KEPT_DIVISION)}
    groups = resolve_config(cfg.get("parameter_groups")) or {}
    # In their order: a weight goes into the first that matches it. Where norms and biases have no
    # decay, a group without a weight_decay of its own is two.
    own_decay = () if cfg.get("decay_norms_and_biases", True) else ("weight_decay",)
    tree["parameter_groups"] = [
        [name, group.get("match"), *(key for key in own_decay if group.get(key) is not None)]
        for name, group in groups.items()
        if group
    ]
    for key in _KEPT_CLASSES:
        tree[key] = {"_target_": (resolve_config(cfg.get(key)) or {}).get("_target_")}
    supervision = dict(resolve_config(cfg.get("supervision")) or {})
    supervision.pop("teacher", None)  # its digest is compared, and it may have moved
    return flatten(tree | {"supervision": supervision})


def check_epoch_kept(cfg: DictConfig, folder: Path, checkpoint: Path, samples: int) -> None:
    """Raise a ConfigError if the rest of an epoch would not be what the run had begun.

    Between two epochs these keys may change.

    Args:
        cfg: The config of the resumed run.
        folder: Its folder, in which the config from before still lies.
        checkpoint: The checkpoint from which it resumes.
        samples: The number of samples of the training split.
    """
    saved = read_run_config(folder, f"resume={folder}")
    begun, resumed = (_epoch_settings(each, samples) for each in (saved, cfg))
    changed = [key for key in _EPOCH_KEYS if begun[key] != resumed[key]]
    batches = read_checkpoint(checkpoint).get(RESUME_KEY, {}).get("batches", 0) if changed else 0
    if batches:
        key = changed[0]
        before, now = (show_value(OmegaConf.select(each, key)) for each in (saved, cfg))
        raise ConfigError(
            f"{key}={now}: the run was ended inside an epoch, after {batches} batches, and the "
            f"rest of it needs {key}={before}; resume with that until an epoch has ended, or "
            "begin another run"
        )


def _epoch_settings(cfg: DictConfig, samples: int) -> dict[str, tuple[type, Any]]:
    """Return what decides the batches of an epoch, with what a key means that is not given."""
    not_given = {
        "data.samples_per_epoch": samples,
        "data.unlabelled_batch_size": OmegaConf.select(cfg, "data.batch_size"),
        "trainer.accumulate_grad_batches": 1,
        "trainer.limit_train_batches": 1.0,
    }
    values = {key: OmegaConf.select(cfg, key) for key in _EPOCH_KEYS}
    meant = {key: not_given.get(key) if each is None else each for key, each in values.items()}
    # To Lightning 1 is one batch, and 1.0 all of them.
    return {key: (type(each), each) for key, each in meant.items()}


def load_resumed_config(cfg: DictConfig, folder: Path, overrides: Sequence[str]) -> DictConfig:
    """Return the config that a run was begun with, and what the command line changes in it.

    Raises:
        ConfigError: The run's config is missing, or the command line chooses a whole group, or a
            key that can have no effect any more.
    """
    saved = read_run_config(folder, f"resume={folder}")
    saved.paths, saved.resume = cfg.paths, cfg.resume
    begun = saved.copy()
    if any(override.partition("=")[0] == "name" for override in overrides):
        raise ConfigError(
            f"name={cfg.name}: resume={folder} continues in that folder; leave name out, or copy "
            "the folder and resume the copy"
        )
    if any(override.partition("=")[0] == "budget_s" for override in overrides):
        raise _budget_error(cfg, folder)
    apply_overrides(
        saved, cfg, overrides, skipped_keys=("paths", "resume"), config_owner="a resumed run"
    )
    _check_kept(begun, saved, f"resume={folder}")
    return saved


def _budget_error(cfg: DictConfig, folder: Path) -> ConfigError:
    return ConfigError(
        f"budget_s={show_value(cfg.budget_s)}: a run is measured when it begins, and {folder} has "
        "begun; set how long it shall be by resume=RUN trainer.max_epochs=N"
    )


def apply_overrides(
    saved: DictConfig,
    cfg: DictConfig,
    overrides: Sequence[str],
    *,
    skipped_keys: Sequence[str],
    config_owner: str,
) -> None:
    """Let single keys of the command line win over a saved config, in place.

    Args:
        saved: The saved config.
        cfg: The config that the command line composed.
        overrides: The command line.
        skipped_keys: The top-level keys that are settled already.
        config_owner: What is overridden, for the message, such as "a resumed run".

    Raises:
        ConfigError: The command line chooses a whole group.
    """
    for override in overrides:
        key, _, _ = override.partition("=")
        bare_key = key.lstrip("+")
        if bare_key.split(".")[0] in skipped_keys:
            continue
        is_group = isinstance(OmegaConf.select(saved, bare_key), DictConfig)
        if key.startswith("~") or is_group or (CONF_DIR / bare_key).is_dir():
            raise ConfigError(
                f"{override}: {config_owner} keeps its own config; single keys such as "
                "trainer.max_epochs=N can be changed"
            )
        OmegaConf.update(saved, bare_key, OmegaConf.select(cfg, bare_key), force_add=True)


def load_reproduced_config(cfg: DictConfig, run: Path, overrides: Sequence[str]) -> DictConfig:
    """Overlay a run's saved config over the one that this version composes.

    Keys that are new since then keep their default. The saved config may be of unknown origin, so
    nothing in it is built before its targets passed the allowlist.

    Raises:
        CheckpointError: Another version of Outtake made the run.
        ConfigError: The config cannot be read, or the command line chooses a whole group.
        ForbiddenTargetError: A target, an alias or a resolver is not allowed.
    """
    saved = read_run_config(run, f"reproduce={run}", lambda key: key not in _NOT_REPRODUCED_KEYS)
    merged = cfg.copy()
    with open_dict(merged):
        for key, value in to_unresolved_dict(saved).items():
            if key not in _NOT_REPRODUCED_KEYS:
                merged[key] = value
        merged.reproduce = None
        merged.budget_s = None  # what was measured is saved as the number of epochs
    apply_overrides(
        merged, cfg, overrides, skipped_keys=_NOT_REPRODUCED_KEYS, config_owner="a reproduced run"
    )
    return merged
