"""Whether two runs logged the same: record by record, number by number."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from outtake.core.errors import OutputError

# What a clock or the machine's load has measured.
TIMING_KEYS = frozenset({"time_s", "train/samples_per_second", "train/memory_mib"})


def read_records(path: Path) -> list[dict[str, Any]]:
    """Return the records of a ``metrics.jsonl``; a last line that was cut short is left out.

    Raises:
        OutputError: another line is no record.
    """
    lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
    records = []
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
        except ValueError as error:
            if number == len(lines):
                break
            raise OutputError(f"{path} line {number} is no record: {error}") from error
        if isinstance(record, dict):
            records.append(record)
    return records


def first_mismatch(
    reference: Sequence[dict[str, Any]], current: Sequence[dict[str, Any]]
) -> dict[str, Any] | None:
    """Return where two runs part, None if nowhere.

    Numbers are compared exactly; what a clock has measured is not.

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
