"""A ``metrics.jsonl`` that grows while it is read: only what is new of it is read."""

from __future__ import annotations

import json
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outtake.pages.comparison.run_record import MAX_METRICS, OBJECTIVE
from outtake.pages.comparison.untrusted_files import as_finite_number

# At one call, and of a line; what is longer waits for the next call, or is no record.
MAX_BYTES_READ = 16_000_000
MAX_LINE_BYTES = 1_000_000
# Of a curve; at more, every second point goes. A page draws a few hundred.
MAX_POINTS = 20_000
_CHECKED_BYTES = 64
_NO_CURVE = ("step", "time_s", "epoch")


@dataclass
class LogValues:
    """What a log has said so far.

    Attributes:
        curves: Steps and values of each metric, as they were logged.
        last: The newest finite value of each metric.
        missing: The metrics whose newest value was not finite.
        clock: The step and the time, seconds since 1970, of records, the oldest first.
        epoch: The newest epoch, from 0.
        epoch_steps: The number of steps of an epoch, None before a validation.
        best: The highest objective.
        records: The number of records.
    """

    curves: dict[str, tuple[list[float], list[float]]] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    clock: list[tuple[float, float]] = field(default_factory=list)
    epoch: int | None = None
    epoch_steps: float | None = None
    best: float | None = None
    records: int = 0


class GrowingLog:
    """Reads the records of a file as they are appended.

    A run that resumes cuts its log back; then, or when another file has taken its place, it is
    read from the beginning.

    Args:
        path: The file, which need not exist yet.

    Attributes:
        values: What the log has said so far.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._forget()

    def _forget(self) -> None:
        self.values = LogValues()
        self._offset = 0  # behind the last whole line that was read
        self._inode = -1
        self._before = b""  # the bytes before the offset, which must stay what they were

    def read_new(self) -> bool:
        """Read what was appended since the last call; return whether anything is new."""
        try:
            found = self._path.stat()
        except OSError:
            return self._start_again()
        # Opening what is not a plain file, such as a pipe, could wait for ever.
        if not stat.S_ISREG(found.st_mode):
            return False
        begun = self._offset > 0
        if begun and (found.st_size < self._offset or found.st_ino != self._inode):
            self._forget()
        if found.st_size == self._offset:
            return begun and self._offset == 0
        self._inode = found.st_ino
        return self._read_lines() or (begun and self._offset == 0)

    def _start_again(self) -> bool:
        changed = self._offset > 0
        self._forget()
        return changed

    def _read_lines(self) -> bool:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset - len(self._before))
                if file.read(len(self._before)) != self._before:
                    self._forget()
                    file.seek(0)
                chunk = file.read(MAX_BYTES_READ)
        except OSError:
            return False
        # The end of the last line may not have been written yet.
        whole = chunk[: chunk.rfind(b"\n") + 1]
        if not whole and len(chunk) == MAX_BYTES_READ:
            whole = chunk
        for line in whole.split(b"\n"):
            if line.strip() and len(line) <= MAX_LINE_BYTES:
                self._add_line(line)
        self._offset += len(whole)
        self._before = (self._before + whole)[-_CHECKED_BYTES:]
        return bool(whole)

    def _add_line(self, line: bytes) -> None:
        try:
            record = json.loads(line.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return
        step = as_finite_number(record.get("step")) if isinstance(record, dict) else None
        if step is not None:
            self._add_record(record, step)

    def _add_record(self, record: dict[str, Any], step: float) -> None:
        values = self.values
        values.records += 1
        epoch, time_s = (
            as_finite_number(record.get("epoch")),
            as_finite_number(record.get("time_s")),
        )
        if epoch is not None and epoch < 0:
            epoch = None  # nothing that a run writes
        if epoch is not None:
            values.epoch = int(epoch)
        if time_s is not None:
            values.clock.append((step, time_s))
            _thin_out(values.clock)
        for key, value in record.items():
            if key not in _NO_CURVE:
                self._add_value(key, step, value)
        score = as_finite_number(record.get(OBJECTIVE))
        if score is not None:
            values.best = score if values.best is None else max(values.best, score)
            if epoch is not None:
                values.epoch_steps = (step + 1) / (epoch + 1)

    def _add_value(self, key: str, step: float, value: Any) -> None:
        values = self.values
        plain = as_finite_number(value)
        if plain is None:
            # A number that is not finite is written as null.
            if value is None and key in values.curves:
                values.missing.add(key)
            return
        if key not in values.curves and len(values.curves) >= MAX_METRICS:
            return
        steps, points = values.curves.setdefault(key, ([], []))
        steps.append(step)
        points.append(plain)
        _thin_out(steps)
        _thin_out(points)
        values.last[key] = plain
        values.missing.discard(key)


def _thin_out(points: list[Any]) -> None:
    if len(points) >= MAX_POINTS:
        del points[1:-1:2]
