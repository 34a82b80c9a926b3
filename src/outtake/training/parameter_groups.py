"""Which weights are trained, and with what rate and weight decay.

Weights are named by patterns of their names in the network: ``encoder`` means all below that
module, ``*.bias`` all biases, ``conv[1-3]_*`` those of three blocks.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from outtake.core.errors import ConfigError
from outtake.core.printable_text import list_some

DEFAULT_GROUP = "default"
_NO_DECAY = "no_decay"


@dataclass(frozen=True)
class ParameterGroup:
    """Weights with a rate and weight decay of their own.

    Attributes:
        name: The name of the group.
        match: Patterns of the names of its weights.
        lr_scale: Its rate, as a multiple of the optimizer's.
        weight_decay: Its weight decay; None for the optimizer's.
    """

    name: str
    match: tuple[str, ...]
    lr_scale: float = 1.0
    weight_decay: float | None = None


@dataclass(frozen=True)
class ParameterOptions:
    """What a training does with which weights of the network.

    Attributes:
        freeze: Patterns of weights that stay as they are, with the running statistics of
            normalisations whose weights these are.
        unfreeze_epoch: The epoch from which on these are trained too, counted from 0; None for
            never.
        groups: Groups of weights; a weight goes into the first that matches it.
        decay_norms_and_biases: Whether there is weight decay on weights of one dimension:
            normalisations and biases. A group's own weight decay holds for all its weights.
    """

    freeze: tuple[str, ...] = ()
    unfreeze_epoch: int | None = None
    groups: tuple[ParameterGroup, ...] = ()
    decay_norms_and_biases: bool = True

    @property
    def divides(self) -> bool:
        """Whether the optimizer has groups with options of their own."""
        return bool(self.groups) or not self.decay_norms_and_biases


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Return whether one of some patterns means a weight or module of this name."""
    return any(
        name == pattern or name.startswith(f"{pattern}.") or fnmatchcase(name, pattern)
        for pattern in patterns
    )


def check_patterns(net: nn.Module, options: ParameterOptions) -> None:
    """Check that each pattern means something, and that something is left to be trained.

    Raises:
        ConfigError: A pattern matches no weight, or all weights are frozen.
    """
    names = [name for name, _ in net.named_parameters()]
    for pattern in options.freeze:
        _check_pattern("freeze", pattern, names)
    for group in options.groups:
        for pattern in group.match:
            _check_pattern(f"parameter_groups.{group.name}.match", pattern, names)
    if options.freeze and all(matches(name, options.freeze) for name in names):
        raise ConfigError(
            f"freeze=[{','.join(options.freeze)}]: every weight of the network is frozen, and "
            "nothing would be trained; leave a part out, such as the one that gives the scores"
        )


def _check_pattern(key: str, pattern: str, names: Sequence[str]) -> None:
    if any(matches(name, [pattern]) for name in names):
        return
    parts_of = (name.split(".") for name in names)
    modules = {".".join(each[:end]) for each in parts_of for end in range(1, len(each))}
    near = difflib.get_close_matches(pattern, sorted(modules), 1)
    parts = list(dict.fromkeys(name.partition(".")[0] for name in names))
    hint = f"did you mean {near[0]}? " if near else ""
    raise ConfigError(
        f"{key}: {pattern} matches no weight of the network; {hint}its parts are "
        f"{list_some(parts, 12)}"
    )


def divide_parameters(
    weights: Mapping[str, nn.Parameter], options: ParameterOptions, defaults: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the groups of an optimizer; those without a weight are left out.

    Args:
        weights: The weights that are trained, by name.
        options: How they are divided.
        defaults: The options of the optimizer.

    Returns:
        For each group its ``params``, its ``name``, and the ``lr`` and ``weight_decay`` in which
        it differs from the defaults.

    Raises:
        ConfigError: The optimizer has no rate or weight decay that a group could change, or a
            group of the options got no weight.
    """
    divided: dict[str, dict[str, Any]] = {}
    groups = {group.name: group for group in options.groups}
    for name, weight in weights.items():
        group = next((g for g in options.groups if matches(name, g.match)), None)
        own = _group_options(group, defaults)
        title = group.name if group else DEFAULT_GROUP
        if _has_no_decay(weight, group, options):
            _check_option(defaults, "weight_decay", "decay_norms_and_biases")
            own, title = own | {"weight_decay": 0.0}, f"{title}_{_NO_DECAY}"
        divided.setdefault(title, {"params": [], "name": title, **own})["params"].append(weight)
    for name in groups:
        if name not in divided and f"{name}_{_NO_DECAY}" not in divided:
            raise ConfigError(
                f"parameter_groups.{name}: all weights that it matches are frozen or in a group "
                "before it; leave it out, or put it first"
            )
    return list(divided.values())


def _group_options(group: ParameterGroup | None, defaults: Mapping[str, Any]) -> dict[str, Any]:
    own: dict[str, Any] = {}
    if group is not None and group.lr_scale != 1:
        _check_option(defaults, "lr", f"parameter_groups.{group.name}.lr_scale")
        own["lr"] = group.lr_scale * defaults["lr"]
    if group is not None and group.weight_decay is not None:
        _check_option(defaults, "weight_decay", f"parameter_groups.{group.name}.weight_decay")
        own["weight_decay"] = group.weight_decay
    return own


def _has_no_decay(
    weight: torch.Tensor, group: ParameterGroup | None, options: ParameterOptions
) -> bool:
    decided = group is not None and group.weight_decay is not None
    return weight.dim() <= 1 and not options.decay_norms_and_biases and not decided


def _check_option(defaults: Mapping[str, Any], option: str, key: str) -> None:
    if option not in defaults:
        raise ConfigError(f"{key}: the optimizer has no {option}; choose another, or leave it out")


def planned_groups(groups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return groups with the same options that hold a weight of their own each."""
    return [{**group, "params": [nn.Parameter(torch.zeros(1))]} for group in groups]


def options_of_groups(optimizer: Optimizer) -> list[dict[str, Any]]:
    """Return the options of each group of an optimizer."""
    return [
        {key: value for key, value in group.items() if key != "params"}
        for group in optimizer.param_groups
    ]
