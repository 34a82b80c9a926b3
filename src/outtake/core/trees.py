"""Nested mappings and lists, as configs and records are: walked, mapped and flattened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any


def walk_leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path and the value of everything that is neither a mapping nor a list.

    Args:
        node: The root.
        path: The path of the root: ``data.crop[0]`` is the first entry of ``crop`` in ``data``.
    """
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from walk_leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from walk_leaves(value, f"{path}[{index}]")
    else:
        yield path, node


def map_leaves(function: Callable[[Any], Any], node: Any) -> Any:
    """Return dicts and lists of the same shape, with ``function`` of each leaf."""
    if isinstance(node, Mapping):
        return {str(key): map_leaves(function, value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [map_leaves(function, value) for value in node]
    return function(node)


def flatten(node: Mapping[str, Any], limit: int = 10_000) -> dict[str, Any]:
    """Turn nested mappings into ``a.b.c`` keys; lists and empty mappings stay values.

    Args:
        node: The root.
        limit: The number of nodes that are visited at most.

    Raises:
        ValueError: There are more, as where YAML aliases multiply.
    """
    flat: dict[str, Any] = {}
    pending: list[tuple[str, Any]] = [("", node)]
    visited = 0
    while pending:
        path, value = pending.pop()
        visited += 1
        if visited > limit:
            raise ValueError(f"more than {limit} settings")
        if isinstance(value, Mapping) and value:
            children = [(f"{path}.{key}" if path else str(key), v) for key, v in value.items()]
            pending += reversed(children)
        else:
            flat[path] = value
    return flat
