"""The config that a run was begun with, and what a later command line may change in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from outtake.config.compose import CONF_DIR
from outtake.config.load_trained import read_untrusted_config, to_unresolved_dict
from outtake.core.errors import ConfigError, OuttakeError
from outtake.core.format_version import check_format_version

# What this machine and this command decide, and no saved config.
_NOT_REPRODUCED_KEYS = ("paths", "name", "resume", "reproduce")


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
    """
    try:
        environment = json.loads((folder / "environment.json").read_text())
        check_format_version(folder, environment.get("format"))
        return read_untrusted_config((folder / "config.yaml").read_text(), is_guarded)
    except OuttakeError:
        raise
    except FileNotFoundError as error:
        raise ConfigError(f"{option}: {error.filename} is missing") from error
    except (OSError, ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise ConfigError(f"{option}: its records cannot be read: {error}") from error
    except OmegaConfBaseException as error:
        raise ConfigError(f"{option}: its config.yaml cannot be read: {error}") from error


def check_same_run(cfg: DictConfig, folder: Path) -> None:
    """Raise a ConfigError if a command would resume a run that was begun with another network.

    The command is the whole one that began the run, so it may change all else.
    """
    saved = read_run_config(folder, f"resume=auto in {folder}")
    for key in ("model", "normalize", "optimizer"):
        before, now = to_unresolved_dict(saved.get(key)), to_unresolved_dict(cfg.get(key))
        # As text: 1 and true are not the same.
        if yaml.safe_dump(before) != yaml.safe_dump(now):
            raise ConfigError(
                f"resume=auto: {key} is not what {folder} was begun with (see its config.yaml); "
                "give the same command, or another name=NAME"
            )


def load_resumed_config(cfg: DictConfig, folder: Path, overrides: Sequence[str]) -> DictConfig:
    """Return the config that a run was begun with, and what the command line changes in it.

    Raises:
        ConfigError: The run's config is missing, or the command line chooses a whole group.
    """
    saved = read_run_config(folder, f"resume={folder}")
    saved.paths, saved.resume = cfg.paths, cfg.resume
    if any(override.partition("=")[0] == "name" for override in overrides):
        raise ConfigError(
            f"name={cfg.name}: resume={folder} continues in that folder; leave name out, or copy "
            "the folder and resume the copy"
        )
    apply_overrides(
        saved, cfg, overrides, skipped_keys=("paths", "resume"), config_owner="a resumed run"
    )
    return saved


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
    apply_overrides(
        merged, cfg, overrides, skipped_keys=_NOT_REPRODUCED_KEYS, config_owner="a reproduced run"
    )
    return merged
