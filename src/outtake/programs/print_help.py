"""The help of a program whose options Hydra composes.

Hydra's own ``--help`` loads each config file several times, to list groups that no help here shows:
two seconds of processor time instead of half a second.
"""

from __future__ import annotations

import string
import textwrap
from collections.abc import Sequence

import hydra
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from omegaconf import OmegaConf, open_dict

from outtake.config.compose import CONF_DIR

_FLAGS = frozenset(("-h", "--help"))
_WIDTH = 96
_SHARED_PARTS = "base"  # a folder of what several options of a group have in common


def asks_for_help(arguments: Sequence[str]) -> bool:
    """Return whether arguments ask for help and have no other option of Hydra."""
    options = {each for each in arguments if each.startswith("-")}
    return bool(options) and options <= _FLAGS


def print_help(name: str, arguments: Sequence[str]) -> None:
    """Print ``hydra.help`` of ``conf/<name>.yaml``, composed with the overrides among arguments.

    Raises:
        HydraException: An override does not fit.
    """
    overrides = [each for each in arguments if each not in _FLAGS]
    with hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        cfg = hydra.compose(name, overrides, return_hydra_config=True)
        HydraConfig.instance().set_config(cfg)  # for ``outtake_groups``, and what names the run
        template = string.Template(cfg.hydra.help.template)
        with open_dict(cfg):
            del cfg["hydra"]
        print(template.substitute(CONFIG=OmegaConf.to_yaml(cfg)))


def _list_groups() -> str:
    """Return the config groups of the running program with their options."""
    loader = GlobalHydra.instance().config_loader()
    names = sorted(name for name in HydraConfig.get().runtime.choices if "/" not in name)
    options = {name: _options(loader, name) for name in names if name != "hydra"}
    indent = max(map(len, options)) + 4
    return "\n".join(
        textwrap.fill(
            ", ".join(found),
            _WIDTH,
            initial_indent=f"  {name}".ljust(indent),
            subsequent_indent=" " * indent,
        )
        for name, found in options.items()
    )


def _options(loader: ConfigLoader, group: str) -> list[str]:
    """Return the options of a group, those of groups inside it as ``keras/vgg_segnet``."""
    found = loader.get_group_options(group, ObjectType.CONFIG)
    for inner in loader.get_group_options(group, ObjectType.GROUP):
        if inner != _SHARED_PARTS:
            found += [f"{inner}/{each}" for each in _options(loader, f"{group}/{inner}")]
    return found


OmegaConf.register_new_resolver("outtake_groups", _list_groups, replace=True)
