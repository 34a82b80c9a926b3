"""Turn a command line into an experiment file, which ``outtake train experiment=NAME`` reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf

from outtake.config.compose import CONF_DIR
from outtake.core.errors import ConfigError
from outtake.core.files import replace_text
from outtake.core.override_text import quote_override
from outtake.core.redact import redact, redact_tree
from outtake.core.trees import flatten


def parse_overrides(overrides: Sequence[str]) -> list[Override]:
    """Read overrides that an experiment file can express.

    Raises:
        ConfigError: An override cannot be read, deletes a key that is no group, or has several
            values.
    """
    found = []
    for text in overrides:
        try:
            (override,) = OverridesParser.create().parse_overrides([text])
        except HydraException as error:
            raise ConfigError(
                f"{text}: cannot be read as KEY=VALUE or GROUP=OPTION; quote what has spaces or "
                f"commas, as in {quote_override(text)}"
            ) from error
        if override.is_delete() and (not _is_group(override.key_or_group) or override.value()):
            raise ConfigError(
                f"{text}: an experiment file cannot delete a key, so best.yaml could not express "
                "it; set the key to null, or a group to none"
            )
        if override.is_sweep_override():
            raise ConfigError(f"{text}: must have one value; what is searched belongs into space")
        found.append(override)
    return found


def render_experiment(overrides: Sequence[str], comment: str) -> str:
    """Return an experiment file that has the effect of overrides of ``outtake train``.

    Args:
        overrides: A command line; the last of equal keys counts, as it does there.
        comment: The lines at the top of the file.

    Raises:
        ConfigError: A file cannot express an override.
    """
    groups: dict[str, Any] = {}
    keys: dict[str, Any] = {}
    for override in parse_overrides(overrides):
        key = override.get_key_element().lstrip("+~")
        if _is_group(key):
            groups[key] = override.value()  # of one that is left out, null
        else:
            keys[key] = override.value()
    defaults: list[Any] = []
    experiment = groups.pop("experiment", None)
    if experiment:
        defaults.append(f"/experiment/{experiment}")
    defaults += [{f"override /{group}": option} for group, option in groups.items()]
    defaults.append("_self_")
    tree: dict[str, Any] = {}
    for key, value in keys.items():
        _set_nested(tree, key, value)
    lines = ["# @package _global_", *(f"# {line}" for line in comment.splitlines())]
    document = redact_tree({"defaults": defaults, **tree})
    # Hydra's parser takes some texts for numbers that PyYAML would leave without quotes, as 1e-3.
    text = OmegaConf.to_yaml(OmegaConf.create(document), resolve=False)
    return "\n".join([*map(redact, lines), text])


def list_hidden_keys(overrides: Sequence[str]) -> list[str]:
    """Return the keys whose values an experiment file cannot hold, because they are secrets."""
    tree: dict[str, Any] = {}
    for override in parse_overrides(overrides):
        _set_nested(tree, override.get_key_element().lstrip("+~"), override.value())
    given, hidden = flatten(tree), flatten(redact_tree(tree))
    return [key for key, value in given.items() if hidden.get(key) != value]


def write_experiment(path: Path, overrides: Sequence[str], comment: str) -> None:
    """Write an experiment file; see :func:`render_experiment`."""
    replace_text(path, render_experiment(overrides, comment))


def _is_group(key: str) -> bool:
    return (CONF_DIR / key.partition("@")[0]).is_dir()


def _set_nested(tree: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        node = tree.setdefault(parent, {})
        if not isinstance(node, dict):
            node = tree[parent] = {}
        tree = node
    tree[last] = _plain_value(value)


def _plain_value(value: Any) -> Any:
    # Quoted strings are a type of Hydra's parser.
    if isinstance(value, dict):
        return {str(_plain_value(key)): _plain_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain_value(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    text = getattr(value, "text", None)
    return str(value) if text is None else text
