"""The search space: named parameters, each an override of the trial's command line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from outtake.core.errors import ConfigError
from outtake.core.override_text import quote_text

_PARAMETER_KEYS = {"key", "low", "high", "log", "step", "choices"}
_UNQUOTED = re.compile(r"[A-Za-z0-9_./:@%+-]+")
# A list, a mapping or an interpolation, written as on a command line.
_STRUCTURED = re.compile(r"[\[{].*[\]}]|\$\{.*\}")


@dataclass(frozen=True)
class Parameter:
    """One axis of the search.

    Attributes:
        name: The name in tables and charts.
        key: The key of the override: ``optimizer.lr``, or a group such as ``model``.
        distribution: Optuna's distribution of the values.
    """

    name: str
    key: str
    distribution: BaseDistribution

    def override(self, value: Any) -> str:
        """Return the override for a value."""
        return f"{self.key}={format_override_value(value)}"

    def representative_values(self) -> list[Any]:
        """Return every choice, or both ends of a range."""
        if isinstance(self.distribution, CategoricalDistribution):
            return list(self.distribution.choices)
        assert isinstance(self.distribution, IntDistribution | FloatDistribution)
        return [self.distribution.low, self.distribution.high]


def parse_space(space: Mapping[str, Any]) -> list[Parameter]:
    """Read a search space.

    Args:
        space: For each name a list of choices, or a mapping with ``key`` (by default the name) and
            ``choices``, or ``low``, ``high`` and perhaps ``log`` or ``step``.

    Raises:
        ConfigError: There is nothing to search, or a parameter is invalid.
    """
    if not space:
        raise ConfigError(
            "space is empty; name what to search, as in +space.lr.key=optimizer.lr "
            "+space.lr.low=1e-4 +space.lr.high=1e-2 +space.lr.log=true"
        )
    found = [_parse_parameter(str(name), node) for name, node in space.items()]
    keys = [parameter.key for parameter in found]
    for key in keys:
        if keys.count(key) > 1:
            raise ConfigError(f"space: {key} is searched twice; each key once")
    return found


def _parse_parameter(name: str, node: Any) -> Parameter:
    if isinstance(node, list | tuple):
        node = {"choices": list(node)}
    if not isinstance(node, Mapping):
        raise ConfigError(f"space.{name}: give [CHOICE, ...] or low and high")
    unknown = sorted(set(node) - _PARAMETER_KEYS)
    if unknown:
        raise ConfigError(
            f"space.{name}.{unknown[0]}: no such option; "
            f"allowed are {', '.join(sorted(_PARAMETER_KEYS))}"
        )
    key = str(node.get("key") or name)
    if key.startswith("~"):
        raise ConfigError(f"space.{name}.key={key}: a deletion has no value to search")
    try:
        return Parameter(name, key, _parse_distribution(node))
    except (TypeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"space.{name}: {reason}; give [CHOICE, ...] or low and high") from error


def _parse_distribution(node: Mapping[str, Any]) -> BaseDistribution:
    if "choices" in node:
        if {"low", "high"} & set(node):
            raise ValueError("choices and a range cannot be combined")
        choices = [_parse_choice(value) for value in node["choices"]]
        if not choices:
            raise ValueError("no choices")
        return CategoricalDistribution(choices)
    low, high, log, step = node["low"], node["high"], bool(node.get("log")), node.get("step")
    if any(isinstance(end, bool) or not isinstance(end, int | float) for end in (low, high)):
        raise ValueError(f"low={low} and high={high} must be numbers")
    if isinstance(low, int) and isinstance(high, int) and not isinstance(step, float):
        return IntDistribution(low, high, log=log, step=1 if step is None else step)
    return FloatDistribution(float(low), float(high), log=log, step=step)


def _parse_choice(value: Any) -> bool | int | float | str | None:
    # Optuna keeps plain values only: a list or a mapping is kept as an override writes it.
    if isinstance(value, Mapping | list | tuple):
        return format_override_value(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"{value} cannot be a choice")


def format_override_value(value: Any) -> str:
    """Return a value as it is written on Hydra's command line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        items = (
            f"{format_override_value(str(k))}:{format_override_value(v)}" for k, v in value.items()
        )
        return "{" + ",".join(items) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ",".join(format_override_value(item) for item in value) + "]"
    text = str(value)
    if _UNQUOTED.fullmatch(text) or _STRUCTURED.fullmatch(text):
        return text
    return quote_text(text)
