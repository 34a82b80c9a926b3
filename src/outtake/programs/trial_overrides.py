"""The overrides of all trials of a sweep: read as those of ``outtake train``, and checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from outtake.config.compose import CONF_DIR
from outtake.config.experiment_file import parse_overrides
from outtake.config.group_overrides import settle_group_overrides
from outtake.config.plain_arguments import spell_out
from outtake.config.schema import show_value
from outtake.core.errors import ConfigError
from outtake.programs.command_line import TRAIN_PATHS, argument_rules
from outtake.sweeps.search_space import Parameter

_NAMED = "each trial is named by its number; name the sweep instead"
_FOLDS = "a trial of a sweep is one run; choose one by fold=0 beside it, or search fold in space"
# What a sweep decides for each trial, or what makes no run of its own, and what to do instead.
_OWN_KEYS = {
    "name": _NAMED,
    "paths.runs": "trials lie in the sweep's folder; set paths.runs of the sweep itself, before --",
    "resume": "each trial is a run that begins; the sweep itself resumes by the same command again",
    "reproduce": "each trial is a run of its own; use outtake train reproduce=RUN without a sweep",
    "find": "it makes no run; use outtake train find=... first, and give what it says to the sweep",
    "debug": "best.yaml could not express it; give what it sets, as +trainer.limit_train_batches=1",
    "hydra": "how a trial runs is the sweep's, and best.yaml could not express it; leave it out",
}


def read_trial_words(words: Sequence[str]) -> list[str]:
    """Return the words after ``--`` as Hydra reads them: as people type them for a training.

    Raises:
        ConfigError: A word cannot be meant, as ``outtake train`` would say.
    """
    rules = argument_rules("train", paths=TRAIN_PATHS)
    return settle_group_overrides(spell_out(words, rules), CONF_DIR)


def refuse_chosen_keys(
    fixed: Sequence[str], parameters: Sequence[Parameter], *, own_program: bool = False
) -> None:
    """Refuse overrides and searches of keys that the sweep itself chooses for each trial.

    Args:
        fixed: The overrides that all trials have.
        parameters: The search space.
        own_program: Whether trials are another program than ``outtake train``, whose keys mean
            something else; it is named as one is.

    Raises:
        ConfigError: There is one.
    """
    searched = {parameter.key.lstrip("+"): parameter.name for parameter in parameters}
    given = {f"space.{name}.key={key}": key for key, name in searched.items()}
    for text, override in zip(fixed, parse_overrides(fixed), strict=True):
        key = override.get_key_element().lstrip("+~")
        if key in searched:
            raise ConfigError(
                f"{text}: space.{searched[key]} searches this key; leave out one of the two"
            )
        given[text] = key
    own_keys = {"name": _NAMED} if own_program else _OWN_KEYS
    for text, key in given.items():
        for own, advice in own_keys.items():
            if key == own or key.startswith((f"{own}.", f"{own}/", f"{own}@")):
                raise ConfigError(f"{text}: {advice}")


def check_trial_config(cfg: DictConfig, usual: DictConfig) -> None:
    """Refuse what an experiment, or another option, sets of the keys that a sweep chooses.

    Args:
        cfg: The config of a trial.
        usual: The config without its overrides.

    Raises:
        ConfigError: There is one, or a trial would be no run.
    """
    for key, advice in _OWN_KEYS.items():
        value = _select(cfg, key)
        if key != "name" and value != _select(usual, key):
            raise ConfigError(f"{key} is {show_value(value)} in each trial: {advice}")
    folds, fold = cfg.get("folds"), cfg.get("fold")
    if folds is not None and fold is None:
        raise ConfigError(f"folds={folds}: {_FOLDS}")
    if fold is not None and folds is None:
        raise ConfigError(f"fold={fold}: of how many? as in folds=5 fold={fold}")


def _select(cfg: DictConfig, key: str) -> Any:
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(cfg, parent) if parent else cfg
    plain = OmegaConf.to_container(node, resolve=False) if OmegaConf.is_dict(node) else None
    return plain.get(name) if isinstance(plain, dict) else None
