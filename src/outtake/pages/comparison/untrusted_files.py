"""Files of a run folder, read without trust."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from outtake.core.printable_text import first_line

_MOST_BYTES = {
    "config.yaml": 1_000_000,
    "config_resolved.yaml": 1_000_000,
    "metrics.jsonl": 500_000_000,
}
_OTHER_FILES_BYTES = 50_000_000


def as_finite_number(value: Any) -> float | None:
    """Return a finite number as float, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        plain = float(value)
    except OverflowError:
        return None
    return plain if math.isfinite(plain) else None


def as_mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping as it is, and an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def read_json_object(folder: Path, name: str, problems: list[str]) -> dict[str, Any] | None:
    """Return a JSON object, or None and the reason among ``problems`` if it cannot be read."""
    text = read_text_file(folder, name, problems)
    if text is None:
        return None
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        problems.append(f"{name} cannot be read ({first_line(error)})")
        return None
    if not isinstance(record, dict):
        problems.append(f"{name} is not a JSON object")
        return None
    return record


def read_text_file(folder: Path, name: str, problems: list[str]) -> str | None:
    """Return the text of a file, or None and the reason among ``problems`` if it cannot be read."""
    path = folder / name
    try:
        # Reading what is not a plain file, such as a pipe, could wait for ever.
        if not path.is_file():
            if path.exists():
                problems.append(f"{name} is not a file")
            return None
        size = path.stat().st_size
        if size > _MOST_BYTES.get(name, _OTHER_FILES_BYTES):
            problems.append(f"{name} is too large to be one ({size} bytes)")
            return None
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        problems.append(f"{name} cannot be read ({error.strerror})")
        return None
