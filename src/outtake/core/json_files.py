"""Read JSON files that a crash, a copy or somebody may have damaged.

What is appended line by line may end in half a line; everything else is written in one step.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from outtake.core.errors import RecordError
from outtake.core.printable_text import first_line

log = logging.getLogger(__name__)

_BLOCK_BYTES = 2**16


def read_json_object(path: Path, remedy: str) -> dict[str, Any] | None:
    """Return the JSON object in a file, None if there is no such file.

    Args:
        path: The file.
        remedy: What a user does about a file that cannot be read, for the message.

    Raises:
        RecordError: It cannot be read, or holds something else.
    """
    text = _read_text(path, remedy)
    if text is None:
        return None
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path} is not JSON ({first_line(error)}); {remedy}") from error
    if not isinstance(record, dict):
        raise RecordError(f"{path} is not a JSON object; {remedy}")
    return record


def read_json_lines(
    path: Path, remedy: str = "", *, skip_damaged: bool = False
) -> list[dict[str, Any]]:
    """Return the JSON objects of a file with one a line, none if there is no such file.

    A last line that is no record was cut short while it was written, and is left out.

    Args:
        path: The file.
        remedy: What a user does about another line that is none, for the message.
        skip_damaged: Whether lines that are none are left out, with one line of warning.

    Raises:
        RecordError: The file cannot be read, or another line is no record.
    """
    text = _read_text(path, remedy or "make it readable")
    lines = (text or "").split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    records, damaged = [], []
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ValueError(f"it holds a {type(record).__name__}")
        except (ValueError, RecursionError) as error:
            if skip_damaged:
                damaged.append(number)
                continue
            if number == len(lines):
                break
            raise RecordError(
                f"{path} line {number} is not a record ({first_line(error)}); {remedy}"
            ) from error
        records.append(record)
    if damaged:
        log.warning(
            "%s: %d of %d lines cannot be read and are left out, the first is line %d",
            path, len(damaged), len(lines), damaged[0],
        )  # fmt: skip
    return records


def _read_text(path: Path, remedy: str) -> str | None:
    try:
        # Reading what is no plain file, such as a pipe, could wait for ever.
        if path.exists() and not path.is_file():
            raise RecordError(f"{path} is not a file; {remedy}")
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise RecordError(f"{path} cannot be read: {reason}; {remedy}") from error


def cut_last_line_if_torn(path: Path) -> int:
    """Cut a file back to the end of its last whole line, so that the next one stands alone.

    A last line that lacks nothing but its end, as some editors leave it, gets that end.

    Returns:
        The number of bytes that were cut off; 0 for a file that is absent, empty or whole.
    """
    if not path.is_file():
        return 0
    with path.open("rb+") as file:
        size = whole = file.seek(0, os.SEEK_END)
        while whole:
            start = max(0, whole - _BLOCK_BYTES)
            file.seek(start)
            found = file.read(whole - start).rfind(b"\n")
            if found >= 0:
                whole = start + found + 1
                break
            whole = start
        if whole == size:
            return 0
        file.seek(whole)
        if _is_json_object(file.read()):
            file.write(b"\n")
            return 0
        file.truncate(whole)
    return size - whole


def _is_json_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
