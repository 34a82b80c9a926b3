"""Compare what two runs logged, record by record and number by number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from outtake.core.json_files import read_json_lines

# What depends on the clock or on the load of the machine.
TIMING_KEYS = frozenset({"time_s", "train/samples_per_second", "train/memory_mib"})


def read_records(path: Path) -> list[dict[str, Any]]:
    """Return the records of a ``metrics.jsonl`` without a last line that was cut short.

    Raises:
        RecordError: Another line is not a record.
    """
    return read_json_lines(path, "delete that line, or restore the file from a copy")


def first_mismatch(
    reference: Sequence[dict[str, Any]], current: Sequence[dict[str, Any]]
) -> dict[str, Any] | None:
    """Return the first difference between two runs, or None if there is none.

    Numbers are compared exactly, and what depends on the clock is not compared.

    Returns:
        ``step``, ``epoch``, ``key``, ``reference`` and ``current``.
    """
    for old, new in zip(reference, current, strict=False):
        for key in [*old, *(key for key in new if key not in old)]:
            if key not in TIMING_KEYS and old.get(key) != new.get(key):
                return _mismatch(old, key, old.get(key), new.get(key))
    if len(reference) == len(current):
        return None
    rest = (reference if len(reference) > len(current) else current)[
        min(len(reference), len(current))
    ]
    return _mismatch(rest, "number of records", len(reference), len(current))


def _mismatch(record: dict[str, Any], key: str, before: Any, now: Any) -> dict[str, Any]:
    place = {name: record.get(name) for name in ("step", "epoch")}
    return {**place, "key": key, "before": before, "now": now}
