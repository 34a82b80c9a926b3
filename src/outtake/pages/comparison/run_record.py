"""What a run folder holds, read without trust: it may be broken, unfinished or somebody else's."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from outtake.core.printable_text import first_line
from outtake.core.redact import HIDDEN, SECRET_NAME, redact
from outtake.pages.comparison.config_differences import flatten_settings
from outtake.pages.comparison.untrusted_files import (
    as_finite_number,
    as_mapping,
    read_json_object,
    read_text_file,
)
from outtake.runs.run_ending import ENDING_FILE, RunEnding
from outtake.runs.run_notes import NOTES_FILE, RunNotes

OBJECTIVE = "val/miou"
MAX_METRICS = 300
_MAX_EVALUATIONS = 50
_MAX_NESTING = 100
_MAX_CHARS = 300
_PICTURE = re.compile(r"val_epoch_(\d+)(?:_step_(\d+))?\.png")
# The C parser is ten times as fast; both make plain containers only.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass
class Curve:
    """One metric of one run.

    Attributes:
        steps: The training steps, increasing, (N,).
        values: The values at these steps, finite, (N,).
    """

    steps: NDArray[np.float64]
    values: NDArray[np.float64]


@dataclass
class RunRecord:
    """A run folder as it was found.

    Attributes:
        path: The folder.
        name: The name of the run among the others.
        state: ``finished``, ``unfinished`` (training has not ended, or died), ``broken`` (the
            files cannot be read) or ``empty`` (nothing was recorded).
        problems: One line each; empty for a finished run without any.
        settings: The flat config, with secrets hidden.
        curves: The curves by metric.
        best: The record with the best objective.
        summary: The content of ``summary.json``, or empty.
        evaluations: Every ``evaluation/**/metrics.json``, the newest last.
        notes: What people noted on it.
        data: The fingerprint of the data, empty if unknown.
        picture: The picture of the best validation, or else of the last one.
    """

    path: Path
    name: str
    state: str = "finished"
    problems: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    notes: RunNotes = field(default_factory=RunNotes)
    data: str = ""
    picture: Path | None = None

    @property
    def is_drawable(self) -> bool:
        """Whether there is something to draw."""
        return bool(self.curves or self.best or self.evaluations)


def read_run(path: Path, name: str) -> RunRecord:
    """Read a run folder; whatever is wrong with it is listed in ``problems``."""
    run = RunRecord(path, name)
    try:
        run.settings = read_settings(path, run.problems)
        run.summary = read_json_object(path, "summary.json", run.problems) or {}
        notes = read_json_object(path, NOTES_FILE, run.problems) or {}
        run.notes = RunNotes.from_dict(notes)
        data = read_json_object(path, "data.json", run.problems) or {}
        run.data = str(data.get("fingerprint") or "")
        _read_metrics(run)
        _read_evaluations(run)
        run.picture = _find_picture(run)
        run.state = _classify_state(run)
    except OSError as error:
        run.state = "broken"
        run.problems.append(f"cannot be read ({error.strerror or first_line(error)})")
    return run


def _classify_state(run: RunRecord) -> str:
    if run.problems and not run.is_drawable:
        return "broken"
    if not run.is_drawable:
        found = any((run.path / name).exists() for name in ("config.yaml", "summary.json"))
        ending = _find_ending(run)
        reason = f"nothing was logged: {ending}" if ending else "nothing was logged yet"
        run.problems.append(reason if found else "no config.yaml, metrics.jsonl or summary.json")
        return "empty"
    if not run.summary:
        if not (run.path / "summary.json").exists():  # else it is a problem already
            ending = _find_ending(run) or "training has not ended, or died"
            run.problems.append(f"no summary.json: {ending}")
        return "unfinished"
    return "finished"


def _find_ending(run: RunRecord) -> str:
    """Return what a run, or a trial of a sweep, left of how it ended; empty if nothing."""
    ending = RunEnding.from_dict(read_json_object(run.path, ENDING_FILE, run.problems) or {})
    if ending is not None:
        return _join_words(ending.state, ending.message)
    trial = read_json_object(run.path, "result.json", run.problems) or {}
    return _join_words(trial.get("status"), trial.get("message"))


def _join_words(state: Any, message: Any) -> str:
    said = (str(state or "").replace("_", " "), str(message or ""))
    return " ".join(": ".join(redact(word)[:_MAX_CHARS] for word in said if word).split())


def read_settings(folder: Path, problems: list[str]) -> dict[str, Any]:
    """Return the flat config of a run folder, secrets hidden; empty if it cannot be read.

    Args:
        folder: The run folder.
        problems: Gets a line on why it cannot be read.
    """
    resolved = (folder / "config_resolved.yaml").is_file()
    name = "config_resolved.yaml" if resolved else "config.yaml"
    text = read_text_file(folder, name, problems)
    if text is None:
        return {}
    try:
        _check_nesting(text)
        plain = yaml.load(text, Loader=_Loader)
        if not isinstance(plain, Mapping):
            raise ValueError(f"{name} is no mapping")
        return _hide_secrets(flatten_settings(plain))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problems.append(f"{name} cannot be read ({first_line(error)})")
        return {}


@lru_cache(10_000)
def _redacted_text(text: str) -> str:
    # Most settings are the same in all runs.
    return redact(text)


def _redact_setting(value: Any) -> Any:
    return _redacted_text(value) if isinstance(value, str) else value


def _check_nesting(text: str) -> None:
    # The C parser recurses on the C stack: too deep a nesting would end the process.
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_NESTING:
            raise ValueError(f"nested more than {_MAX_NESTING} levels deep")


def _hide_secrets(flat: dict[str, Any]) -> dict[str, Any]:
    # train.py hides them already; this folder may come from elsewhere.
    secret = {key for key in flat if any(map(SECRET_NAME.search, key.split(".")))}
    return {
        key: HIDDEN if key in secret and value != "null" else _redact_setting(value)
        for key, value in flat.items()
    }


def _read_metrics(run: RunRecord) -> None:
    text = read_text_file(run.path, "metrics.jsonl", run.problems)
    if text is None:
        return
    steps: dict[str, list[float]] = {}
    values: dict[str, list[float]] = {}
    lines = text.split("\n")
    bad = 0
    for position, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            items = record.items()
        except (ValueError, AttributeError, RecursionError):
            # A run that was killed may have left half a line, and only at the end.
            bad += position + 1 < len(lines)
            continue
        step = as_finite_number(record.get("step"))
        for key, value in items:
            plain = as_finite_number(value)
            if plain is None or step is None or key in ("step", "time_s"):
                continue
            if key not in values and len(values) >= MAX_METRICS:
                continue
            steps.setdefault(key, []).append(step)
            values.setdefault(key, []).append(plain)
        score = as_finite_number(record.get(OBJECTIVE))
        if score is not None and score > run.best.get(OBJECTIVE, -math.inf):
            run.best = {k: n for k, v in items if (n := as_finite_number(v)) is not None}
    if bad:
        run.problems.append(f"{bad} lines of metrics.jsonl cannot be read")
    for key in values:
        if key != "epoch":
            run.curves[key] = _sort_by_step(steps[key], values[key])


def _sort_by_step(steps: list[float], values: list[float]) -> Curve:
    # A resumed run logs again what it had done after its last checkpoint: the later record counts.
    x, y = np.array(steps), np.array(values)
    if (np.diff(x) > 0).all():
        return Curve(x, y)
    unique, last = np.unique(x[::-1], return_index=True)
    return Curve(unique, y[::-1][last])


def _read_evaluations(run: RunRecord) -> None:
    best = as_mapping(run.summary.get("best"))
    known = {key: n for key, v in best.items() if (n := as_finite_number(v)) is not None}
    if OBJECTIVE in known:
        run.best = known
    folder = run.path / "evaluation"
    if not folder.is_dir():
        return
    found = []
    paths = sorted(folder.rglob("metrics.json"), key=_modified_s)
    if len(paths) > _MAX_EVALUATIONS:
        run.problems.append(f"only the newest {_MAX_EVALUATIONS} of {len(paths)} evaluations")
    for path in paths[-_MAX_EVALUATIONS:]:
        record = read_json_object(run.path, str(path.relative_to(run.path)), run.problems)
        if record is not None:
            record["where"] = str(path.parent.relative_to(folder))
            found.append((_modified_s(path), record))
    run.evaluations = [record for _, record in sorted(found, key=lambda pair: pair[0])]


def _find_picture(run: RunRecord) -> Path | None:
    folder = run.path / "images"
    if not folder.is_dir():
        return None
    pictures = {
        (int(name[1]), int(name[2]) if name[2] else math.inf): path
        for path in folder.glob("val_epoch_*.png")
        if (name := _PICTURE.fullmatch(path.name))
    }
    epoch, step = (as_finite_number(run.best.get(key)) for key in ("epoch", "step"))
    if epoch is not None:
        # Where an epoch has several pictures, they are named by the number of steps done. A record
        # has the number of the last step, from 0, or of the current one while gradients accumulate.
        done = [] if step is None else [step + 1, step]
        for step_done in (*done, math.inf):
            if (int(epoch), step_done) in pictures:
                return pictures[int(epoch), step_done]
    return pictures[max(pictures)] if pictures else None


def _modified_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
