"""What runs were told to do: flat settings, where they differ, and who differs by seed alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MAX_SETTINGS = 5_000
# What names a run or a place and has no part in what it does.
_IDENTITY_KEYS = ("name", "seed", "resume", "paths", "hydra", "logger", "experiment")
_MISSING = None


def flatten_settings(node: Any, prefix: str = "") -> dict[str, Any]:
    """Turn nested mappings into ``a.b.c`` keys; lists become one value, as text.

    Raises:
        ValueError: more settings than a config has: YAML aliases that multiply.
    """
    flat: dict[str, Any] = {}
    waiting: list[tuple[str, Any]] = [(prefix, node)]
    visited = 0
    while waiting:
        key, value = waiting.pop()
        visited += 1
        if visited > 2 * MAX_SETTINGS:
            raise ValueError(f"config.yaml has more than {MAX_SETTINGS} settings")
        if isinstance(value, Mapping) and value:
            waiting += [
                (f"{key}.{name}" if key else str(name), inner) for name, inner in value.items()
            ]
        elif isinstance(value, list):
            flat[key] = _format_list(value)
        elif isinstance(value, Mapping):
            flat[key] = "{}"
        else:
            flat[key] = value if isinstance(value, bool | int | float) else _format_value(value)
    return dict(sorted(flat.items()))


def differing_keys(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys that do not have one and the same value in all configs, sorted.

    A key that some configs lack differs. The run's name and its machine's places are left out.
    """
    keys = sorted({key for config in configs for key in config if not _is_identity_key(key)})
    if any(config.get("seed") != configs[0].get("seed") for config in configs):
        keys = ["seed", *keys]
    return [
        key
        for key in keys
        if any(
            _typed_text(config.get(key, _MISSING)) != _typed_text(configs[0].get(key, _MISSING))
            for config in configs
        )
    ]


def group_by_seed(configs: Sequence[Mapping[str, Any]], data: Sequence[str]) -> list[list[int]]:
    """Group runs whose settings agree in all but the seed.

    Args:
        configs: flat settings of each run; a run without any is alone.
        data: fingerprint of each run's data, which has to agree too.

    Returns:
        Positions, group by group, in the order of each group's first run.
    """
    groups: dict[Any, list[int]] = {}
    for index, (config, fingerprint) in enumerate(zip(configs, data, strict=True)):
        told = tuple(
            (key, _typed_text(value)) for key, value in config.items() if not _is_identity_key(key)
        )
        groups.setdefault((told, fingerprint) if told else index, []).append(index)
    return list(groups.values())


def _is_identity_key(key: str) -> bool:
    return key.partition(".")[0] in _IDENTITY_KEYS


def _typed_text(value: Any) -> tuple[str, str]:
    # True == 1 in Python, and not in a config.
    return type(value).__name__, str(value)


def _format_list(values: list[Any], depth: int = 0) -> str:
    if depth > 8 or len(values) > 200:
        return "[...]"
    parts = (
        _format_list(v, depth + 1) if isinstance(v, list) else _format_value(v)[:200]
        for v in values
    )
    return _format_value("[" + ", ".join(parts) + "]")


def _format_value(value: Any) -> str:
    if isinstance(value, Mapping):
        # Aliases may make a mapping in a list endless; its keys tell enough.
        return "{" + ", ".join(str(key)[:80] for key in list(value)[:20]) + "}"
    text = "null" if value is None else str(value)
    return text if len(text) <= 300 else text[:300] + "..."
