"""The settings of runs: flat, where they differ, and which runs differ by their seed alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from outtake.core.trees import flatten
from outtake.runs.run_notes import NOTE_KEYS

MAX_SETTINGS = 5_000
# What names a run or a place does not change what the run does.
_IDENTITY_KEYS = ("name", "seed", "resume", "paths", "hydra", "logger", "experiment", *NOTE_KEYS)
_MAX_LIST_DEPTH, _MAX_LIST_ITEMS = 8, 200
_MAX_CHARS = 300
# A reference to another key. What asks the environment stays as it is written.
_REFERENCE = re.compile(r"\$\{([A-Za-z_][\w.-]*)\}")
_MAX_REFERENCES = 20


def flatten_settings(node: Mapping[str, Any]) -> dict[str, Any]:
    """Turn nested mappings into ``a.b.c`` keys; a list becomes one text.

    Raises:
        ValueError: There are more settings than a config has, as where YAML aliases multiply.
    """
    flat = flatten(node, 2 * MAX_SETTINGS)
    return {key: _plain_value(value) for key, value in sorted(flat.items())}


def resolve_setting(settings: Mapping[str, Any], key: str) -> Any:
    """Return a setting, in which references such as ``${data.root}`` are replaced by their values.

    Args:
        settings: The flat settings of a run.
        key: A key, which need not exist.
    """
    value = settings.get(key)
    for _ in range(_MAX_REFERENCES):  # references may go round in a circle
        if not isinstance(value, str):
            break
        found = _REFERENCE.search(value)
        if found is None or found[1] not in settings:
            break
        target = settings[found[1]]
        value = target if found[0] == value else value.replace(found[0], str(target))
    return value


def differing_keys(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys that do not have one and the same value in all configs, sorted.

    A key that some configs lack differs. The names of runs and the places of machines are left out.
    """
    keys = sorted({key for config in configs for key in config if not _is_identity_key(key)})
    if any(config.get("seed") != configs[0].get("seed") for config in configs):
        keys = ["seed", *keys]
    return [
        key
        for key in keys
        if any(
            _typed_text(config.get(key)) != _typed_text(configs[0].get(key)) for config in configs
        )
    ]


def group_by_seed(configs: Sequence[Mapping[str, Any]], data: Sequence[str]) -> list[list[int]]:
    """Group runs whose settings agree in all but the seed.

    Args:
        configs: The flat settings of each run; a run without any is alone.
        data: The fingerprint of each run's data, which must agree too.

    Returns:
        Positions, group by group, in the order of each group's first run.
    """
    groups: dict[Any, list[int]] = {}
    for index, (config, fingerprint) in enumerate(zip(configs, data, strict=True)):
        settings = tuple(
            (key, _typed_text(value)) for key, value in config.items() if not _is_identity_key(key)
        )
        groups.setdefault((settings, fingerprint) if settings else index, []).append(index)
    return list(groups.values())


def _is_identity_key(key: str) -> bool:
    return key.partition(".")[0] in _IDENTITY_KEYS


def _typed_text(value: Any) -> tuple[str, str]:
    # True == 1 in Python, and not in a config.
    return type(value).__name__, str(value)


def _plain_value(value: Any) -> Any:
    if isinstance(value, list):
        return _format_list(value)
    return value if isinstance(value, bool | int | float) else _format_value(value)


def _format_list(values: list[Any], depth: int = 0) -> str:
    if depth > _MAX_LIST_DEPTH or len(values) > _MAX_LIST_ITEMS:
        return "[...]"
    parts = (
        _format_list(v, depth + 1) if isinstance(v, list) else _format_value(v)[:200]
        for v in values
    )
    return _format_value("[" + ", ".join(parts) + "]")


def _format_value(value: Any) -> str:
    if isinstance(value, Mapping):
        # Aliases may make a mapping in a list endless; its keys are enough.
        return "{" + ", ".join(str(key)[:80] for key in list(value)[:20]) + "}"
    text = "null" if value is None else str(value)
    return text if len(text) <= _MAX_CHARS else text[:_MAX_CHARS] + "..."
