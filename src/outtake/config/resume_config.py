"""The config that a run was begun with, and what a later command line may change in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from outtake.config.compose import CONF_DIR
from outtake.config.load_trained import read_untrusted_config
from outtake.core.errors import ConfigError

# By target, what conf/model has named only lately: a run that was begun before has these values by
# the network's own defaults.
_NAMED_LATER: dict[str, dict[str, Any]] = {
    "outtake.models.fcn.FCN": {"fc_kernel": 7, "dropout": 0.1},
    "outtake.models.smp.SmpNet": {
        "decoder_dropout": 0.2,
        "psp_dropout": 0.2,
        "decoder_aspp_dropout": 0.5,
    },
}


def check_same_run(cfg: DictConfig, folder: Path) -> None:
    """Raise a ConfigError if a command goes on with a run that was begun with another network.

    The command is the whole one that began the run, so all else may be changed by it.
    """
    try:
        saved = read_untrusted_config(
            (folder / "config.yaml").read_text(), is_guarded=lambda key: False
        )
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise ConfigError(f"resume=auto: {folder}/config.yaml can not be read") from error
    for key in ("model", "normalize", "optimizer"):
        before, now = _to_unresolved_dict(saved.get(key)), _to_unresolved_dict(cfg.get(key))
        if key == "model":
            later = _NAMED_LATER.get(str(before.get("_target_")), {})
            before = {each: later[each] for each in later if each in now} | before
        # As text: 1 and true are not the same.
        if yaml.safe_dump(before) != yaml.safe_dump(now):
            raise ConfigError(
                f"resume=auto: {key} is not what {folder} was begun with (see its config.yaml); "
                "give the same command, or another name=NAME"
            )


def _to_unresolved_dict(node: Any) -> dict[str, Any]:
    plain = OmegaConf.to_container(node, resolve=False) if OmegaConf.is_dict(node) else None
    return {str(key): value for key, value in plain.items()} if isinstance(plain, dict) else {}


def load_resumed_config(cfg: DictConfig, folder: Path, overrides: Sequence[str]) -> DictConfig:
    """Return the config that a run was begun with, and what the command line changes in it.

    Raises:
        ConfigError: the run's config is missing, or the command line chooses a whole group.
    """
    try:
        text = (folder / "config.yaml").read_text()
        saved = read_untrusted_config(text, is_guarded=lambda key: False)
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise ConfigError(f"resume={folder}: its config.yaml can not be read") from error
    saved.paths, saved.resume = cfg.paths, cfg.resume
    if any(override.partition("=")[0] == "name" for override in overrides):
        raise ConfigError(
            f"name={cfg.name}: resume={folder} goes on in that folder; leave name out, or copy the "
            "folder and resume the copy"
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
        saved: the saved config.
        cfg: what the command line composed.
        overrides: the command line.
        skipped_keys: top-level keys that are settled already.
        config_owner: is overridden, for the message.

    Raises:
        ConfigError: the command line chooses a whole group.
    """
    for override in overrides:
        key, _, _ = override.partition("=")
        bare_key = key.lstrip("+")
        if bare_key.split(".")[0] in skipped_keys:
            continue
        current_value = OmegaConf.select(saved, bare_key)
        if (
            key.startswith("~")
            or isinstance(current_value, DictConfig)
            or (CONF_DIR / bare_key).is_dir()
        ):
            raise ConfigError(
                f"{override}: {config_owner} keeps its own config; single keys such as "
                "trainer.max_epochs=N can be changed"
            )
        OmegaConf.update(saved, bare_key, OmegaConf.select(cfg, bare_key), force_add=True)
