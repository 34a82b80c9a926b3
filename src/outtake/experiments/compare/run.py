"""What a run folder tells, read without trust: it may be broken, unfinished or somebody else's."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from outtake.experiments.compare.settings import flatten
from outtake.experiments.compare.thinning import Floats
from outtake.experiments.redact import HIDDEN, SECRET_NAME, redact_tree

OBJECTIVE = "val/miou"
MOST_METRICS = 300
_MOST_BYTES = {"config.yaml": 1_000_000, "metrics.jsonl": 500_000_000}
_OTHER_FILES_BYTES = 50_000_000
# The C parser is ten times as fast; both make plain containers only.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass
class Curve:
    """One metric of one run.

    Attributes:
        steps: increasing, float64 (N,).
        values: finite, float64 (N,).
    """

    steps: Floats
    values: Floats


@dataclass
class Run:
    """A run folder as it was found.

    Attributes:
        path: the folder.
        name: what to call it among the others.
        state: ``finished``, ``unfinished`` (training has not ended, or died), ``broken`` (what
            is there can not be read) or ``empty`` (nothing was recorded).
        problems: one line each; empty for a finished run in order.
        settings: flat config, secrets hidden.
        curves: by metric.
        best: the record with the best objective.
        summary: ``summary.json``, or empty.
        evaluations: every ``evaluation/**/metrics.json``, newest last.
        environment: ``environment.json``, or empty.
        data: fingerprint of its data, empty if unknown.
        picture: the validation picture of its best epoch, or the last one.
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
    environment: dict[str, Any] = field(default_factory=dict)
    data: str = ""
    picture: Path | None = None

    @property
    def usable(self) -> bool:
        """Whether there is something to draw."""
        return bool(self.curves or self.best or self.evaluations)


def read_run(path: Path, name: str) -> Run:
    """Read a run folder; whatever is wrong with it ends up in ``problems``."""
    run = Run(path, name)
    run.settings = _settings(run)
    run.summary = _json(run, "summary.json") or {}
    run.environment = _json(run, "environment.json") or {}
    data = _json(run, "data.json") or {}
    run.data = str(data.get("fingerprint") or "")
    _read_metrics(run)
    _read_evaluations(run)
    run.picture = _picture(run)
    run.state = _state(run)
    return run


def number(value: Any) -> float | None:
    """Return a finite number as float, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        plain = float(value)
    except OverflowError:
        return None
    return plain if math.isfinite(plain) else None


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping as it is, and an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def _state(run: Run) -> str:
    if run.problems and not run.usable:
        return "broken"
    if not run.usable:
        found = any((run.path / name).exists() for name in ("config.yaml", "summary.json"))
        run.problems.append(
            "nothing was logged yet" if found else "no config.yaml, metrics.jsonl or summary.json"
        )
        return "empty"
    if not run.summary:
        run.problems.append("no summary.json: training has not ended, or died")
        return "unfinished"
    return "finished"


def _settings(run: Run) -> dict[str, Any]:
    text = _text(run, "config.yaml")
    if text is None:
        return {}
    try:
        plain = yaml.load(text, Loader=_Loader)
        if not isinstance(plain, Mapping):
            raise ValueError("config.yaml is no mapping")
        return _hide_secrets(flatten(plain))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        run.problems.append(f"config.yaml can not be read ({_short(error)})")
        return {}


def _hide_secrets(flat: dict[str, Any]) -> dict[str, Any]:
    # train.py hides them already; this folder may come from elsewhere.
    secret = {key for key in flat if any(map(SECRET_NAME.search, key.split(".")))}
    return {
        key: HIDDEN if key in secret and value != "null" else redact_tree(value)
        for key, value in flat.items()
    }


def _read_metrics(run: Run) -> None:
    text = _text(run, "metrics.jsonl")
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
        step = number(record.get("step"))
        for key, value in items:
            plain = number(value)
            if plain is None or step is None or key in ("step", "time_s"):
                continue
            if key not in values and len(values) >= MOST_METRICS:
                continue
            steps.setdefault(key, []).append(step)
            values.setdefault(key, []).append(plain)
        score = number(record.get(OBJECTIVE))
        if score is not None and score > run.best.get(OBJECTIVE, -math.inf):
            run.best = {k: n for k, v in items if (n := number(v)) is not None}
    if bad:
        run.problems.append(f"{bad} lines of metrics.jsonl can not be read")
    for key in values:
        if key != "epoch":
            run.curves[key] = _in_order(steps[key], values[key])


def _in_order(steps: list[float], values: list[float]) -> Curve:
    # A resumed run logs again what it had done after its last checkpoint: the later one counts.
    x, y = np.array(steps), np.array(values)
    if (np.diff(x) > 0).all():
        return Curve(x, y)
    unique, last = np.unique(x[::-1], return_index=True)
    return Curve(unique, y[::-1][last])


def _read_evaluations(run: Run) -> None:
    best = mapping(run.summary.get("best"))
    known = {key: n for key, v in best.items() if (n := number(v)) is not None}
    if OBJECTIVE in known:
        run.best = known
    folder = run.path / "evaluation"
    if not folder.is_dir():
        return
    found = []
    for path in sorted(folder.rglob("metrics.json"))[:50]:
        record = _json(run, str(path.relative_to(run.path)))
        if record is not None:
            record["where"] = str(path.parent.relative_to(folder))
            found.append((_changed(path), record))
    run.evaluations = [record for _, record in sorted(found, key=lambda pair: pair[0])]


def _picture(run: Run) -> Path | None:
    folder = run.path / "images"
    if not folder.is_dir():
        return None
    pictures = sorted(folder.glob("val_epoch_*.png"))
    epoch = number(run.best.get("epoch"))
    wanted = folder / f"val_epoch_{int(epoch or 0):04d}.png"
    if epoch is not None and wanted in pictures:
        return wanted
    return pictures[-1] if pictures else None


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _json(run: Run, name: str) -> dict[str, Any] | None:
    text = _text(run, name)
    if text is None:
        return None
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        run.problems.append(f"{name} can not be read ({_short(error)})")
        return None
    if not isinstance(record, dict):
        run.problems.append(f"{name} is no JSON object")
        return None
    return record


def _text(run: Run, name: str) -> str | None:
    path = run.path / name
    try:
        # What is no plain file, a pipe for one, could be waited on for ever.
        if not path.is_file():
            if path.exists():
                run.problems.append(f"{name} is no file")
            return None
        size = path.stat().st_size
        if size > _MOST_BYTES.get(name, _OTHER_FILES_BYTES):
            run.problems.append(f"{name} is too large to be one ({size} bytes)")
            return None
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        run.problems.append(f"{name} can not be read ({error.strerror})")
        return None


def _short(error: BaseException) -> str:
    text = str(error).strip().partition("\n")[0][:120]
    return text or type(error).__name__
