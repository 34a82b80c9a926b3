"""One run as it is now: its state, how far it is, its curves and its newest pictures."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from outtake.core.file_lock import is_locked
from outtake.core.printable_text import to_printable
from outtake.core.redact import redact
from outtake.pages.comparison.curves import downsample
from outtake.pages.comparison.run_record import OBJECTIVE, read_settings
from outtake.pages.comparison.untrusted_files import (
    as_finite_number,
    as_mapping,
    read_json_object,
)
from outtake.pages.live.growing_log import GrowingLog
from outtake.runs.run_ending import ENDING_FILE, LOCK_FILE, RunEnding

MAX_CURVE_POINTS = 400
MAX_PICTURES = 4
MAX_PICTURE_BYTES = 60_000_000
# Where a lock cannot be seen, as from another machine, a log that grew lately is of a run at work.
_LATELY_S = 60.0
_RECENT_RECORDS = 200
_MAX_TEXT = 300
_SETTINGS_FILES = ("config_resolved.yaml", "config.yaml")
_WATCHED_FILES = ("summary.json", "result.json", ENDING_FILE, "resumptions.jsonl")
# How a trial of a sweep ended, as states of a run.
_TRIAL_STATES = {
    "diverged": "diverged",
    "pruned": "stopped",
    "lost": "stopped",
    "timed_out": "stopped",
    "out_of_memory": "failed",
    "failed": "failed",
}


class LiveRun:
    """A run folder that is looked at again and again; nothing in it is trusted.

    Args:
        path: The folder.
        name: The name of the run among the others.

    Attributes:
        path: The folder.
        name: The name of the run among the others.
        pictures: The newest pictures of the validation, the newest first.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self.pictures: list[Path] = []
        self._log = GrowingLog(path / "metrics.jsonl")
        self._seen: Any = None
        self._settings_seen: Any = None
        self._settings: Mapping[str, Any] = {}
        self._trial: Mapping[str, Any] = {}
        self._ending: RunEnding | None = None
        self._state, self._message = "waiting", ""

    def look_again(self) -> bool:
        """Read what is new in the folder; return whether anything that is shown has changed."""
        grown = self._log.read_new()
        seen = [_stamp(self.path / name) for name in (*_WATCHED_FILES, "images")]
        settings_seen = [_stamp(self.path / name) for name in _SETTINGS_FILES]
        if settings_seen != self._settings_seen:
            self._settings = read_settings(self.path, [])
            self._settings_seen = settings_seen
            grown = True
        if seen != self._seen:
            self.pictures = find_pictures(self.path)
            self._trial = as_mapping(read_json_object(self.path, "result.json", []))
            ended = read_json_object(self.path, ENDING_FILE, [])
            self._ending = RunEnding.from_dict(as_mapping(ended))
            self._seen = seen
            grown = True
        state, message = self._find_state()
        changed = (state, message) != (self._state, self._message)
        self._state, self._message = state, message
        return grown or changed

    def report_problem(self, message: str) -> bool:
        """Say that the folder cannot be read; return whether that is new."""
        before = (self._state, self._message)
        self._state, self._message = "failed", f"cannot be read ({message})"
        return before != (self._state, self._message)

    def describe(self, keys: list[str]) -> dict[str, Any]:
        """Return what the page shows, as plain containers.

        Args:
            keys: The metrics whose curves are shown.
        """
        values = self._log.values
        rates = [key for key in values.last if key.startswith("lr")]
        step = values.clock[-1][0] if values.clock else None
        return {
            "name": clean_text(self.name),
            "state": self._state,
            "message": clean_text(self._message),
            "epoch": values.epoch,
            "epochs": _positive(self._settings.get("trainer.max_epochs")),
            "step": step,
            "steps": self._all_steps(),
            "best": values.best,
            "lr": values.last[rates[0]] if rates else None,
            "left_s": self._left_s() if self._state == "running" else None,
            "loss": values.last.get("train/loss"),
            "score": values.last.get(OBJECTIVE),
            "changed_s": values.clock[-1][1] if values.clock else None,
            "metrics": [clean_text(key) for key in values.curves],
            "curves": {key: self._curve(key) for key in keys if key in values.curves},
            "pictures": [clean_text(picture.stem) for picture in self.pictures],
        }

    def _curve(self, key: str) -> dict[str, list[float]]:
        steps, values = (np.array(each, np.float64) for each in self._log.values.curves[key])
        kept = downsample(values, MAX_CURVE_POINTS)
        rounded = [float(f"{value:.5g}") for value in values[kept]]
        return {"x": steps[kept].tolist(), "y": rounded}

    def _find_state(self) -> tuple[str, str]:
        if is_locked(self.path / LOCK_FILE):
            return "running", ""
        status, message = str(self._trial.get("status")), str(self._trial.get("message") or "")
        if status in _TRIAL_STATES:
            return _TRIAL_STATES[status], message or status.replace("_", " ")
        if _stamp(self.path / "summary.json") is not None:
            return "finished", ""
        if self._ending is not None:
            return self._ending.state, self._ending.message
        log = _stamp(self.path / "metrics.jsonl")
        if log is None:
            return "waiting", "nothing was logged yet"
        if time.time() - log[0] / 1e9 < _LATELY_S:
            return "running", ""
        if "train/loss" in self._log.values.missing:
            return "diverged", "the last loss is not a number"
        return "stopped", "nothing on this machine trains in it, and it left no word"

    def _all_steps(self) -> float | None:
        most = _positive(self._settings.get("trainer.max_steps"))
        epochs = _positive(self._settings.get("trainer.max_epochs"))
        each = self._log.values.epoch_steps
        by_epochs = None if epochs is None or each is None else as_finite_number(epochs * each)
        by_epochs = None if by_epochs is None else round(by_epochs)
        known = [steps for steps in (most, by_epochs) if steps is not None]
        return min(known, default=None)

    def _left_s(self) -> float | None:
        """Return the seconds left at the pace of the newest records; None if it is unknown."""
        steps = self._all_steps()
        recent = [pair for pair in self._log.values.clock if pair[1] >= self._resumed_s()]
        recent = recent[-_RECENT_RECORDS:]
        if steps is None or len(recent) < 2:
            return None
        (first_step, first_s), (last_step, last_s) = recent[0], recent[-1]
        if last_step <= first_step or last_s <= first_s:
            return None
        return max(steps - last_step, 0) * (last_s - first_s) / (last_step - first_step)

    def _resumed_s(self) -> float:
        # A pause between two processes is no pace.
        stamp = _stamp(self.path / "resumptions.jsonl")
        return 0.0 if stamp is None else stamp[0] / 1e9


def find_pictures(folder: Path) -> list[Path]:
    """Return the newest pictures of the validation, the newest first.

    A link that leads out of the run folder is none of them.
    """
    images, home = folder / "images", folder.resolve()
    try:
        found = [
            (entry.stat().st_mtime_ns, entry.name)
            for entry in os.scandir(images)
            if entry.name.startswith("val_") and entry.name.endswith(".png") and entry.is_file()
        ]
    except OSError:
        return []
    newest = [images / name for _, name in sorted(found, reverse=True)]
    inside = [path for path in newest[: 4 * MAX_PICTURES] if path.resolve().is_relative_to(home)]
    return [path for path in inside if _is_small(path)][:MAX_PICTURES]


def clean_text(text: str) -> str:
    """Return a text of a run folder in one short line, with secrets hidden."""
    line = to_printable(redact(text))
    return line if len(line) <= _MAX_TEXT else line[:_MAX_TEXT] + "…"


def _is_small(path: Path) -> bool:
    stamp = _stamp(path)
    return stamp is not None and stamp[1] <= MAX_PICTURE_BYTES


def _positive(value: Any) -> float | None:
    # Settings are kept as text.
    try:
        number = as_finite_number(float(value))
    except (TypeError, ValueError):
        return None
    return number if number is not None and number > 0 else None


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
