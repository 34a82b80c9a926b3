"""Reproduce: a run is trained again as it was, and its metrics are compared record by record."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from outtake.config.resume_config import load_reproduced_config
from outtake.core.errors import ConfigError
from outtake.core.files import write_json
from outtake.core.json_files import read_json_lines, read_json_object
from outtake.programs.run_places import name_run_folder
from outtake.programs.train import train
from outtake.runs.environment import describe_environment
from outtake.runs.metrics_diff import first_mismatch, read_records
from outtake.runs.run_folder import RunFolder
from outtake.training.distributed.launch_environment import LAUNCHED_RANKS, global_rank

_REMEDY = "restore it from a copy, or delete it to compare without it"


def reproduce(
    cfg: DictConfig, run_dir: str | Path | None = None, overrides: Sequence[str] = ()
) -> float:
    """Train a run again into a new folder, and say whether the metrics are identical.

    Differences of revision, packages, hardware and flags are printed before, those of the data and
    the verdict after; ``reproduction.json`` of the new run has them all.

    Args:
        cfg: The config that ``conf/train.yaml`` composes, with ``reproduce``.
        run_dir: The new run folder; ``paths.runs/name`` by default.
        overrides: The command line; single keys of it win over the saved config.

    Returns:
        The objective of the new run.

    Raises:
        ConfigError: There is no such run, or its config cannot be read.
        ForbiddenTargetError: The run's config names something that is not allowed.
        RecordError: What is compared cannot be read; nothing was trained then.
        SystemExit: The metrics differ: code 1, after everything was written.
    """
    old = find_run_folder(str(cfg.reproduce))
    saved = load_reproduced_config(cfg, old.path, overrides)
    new = RunFolder(name_run_folder(saved, run_dir))
    if global_rank() or LAUNCHED_RANKS in os.environ:
        return train(saved, new.path, overrides)  # one process compares
    # All that is compared is read before the hours of a training.
    old_records = read_records(old.metrics)
    old_data = read_json_object(old.data, _REMEDY) or {}
    old_environment = read_json_object(old.path / "environment.json", _REMEDY) or {}
    differences = [
        *list_resume_differences(old.path),
        *list_environment_differences(old_environment, _expected_environment(saved)),
    ]
    for line in differences:
        print(f"differs: {line}")
    objective = train(saved, new.path, overrides)
    for line in list_data_differences(old_data, read_json_object(new.data, _REMEDY) or {}):
        differences.append(line)
        print(f"differs: {line}")
    mismatch = first_mismatch(old_records, read_records(new.metrics))
    write_json(
        new.path / "reproduction.json",
        {"of": str(old.path), "differences": differences, "first_mismatch": mismatch},
    )
    print(format_verdict(mismatch, new.path))
    if mismatch is not None:
        raise SystemExit(1)
    return objective


def _expected_environment(cfg: DictConfig) -> dict[str, Any]:
    """Describe what a run of this config will find: its trainer sets a flag that is not yet set."""
    environment = describe_environment()
    environment["flags"]["deterministic_algorithms"] = bool(cfg.trainer.get("deterministic"))
    return environment


def find_run_folder(run_or_summary: str) -> RunFolder:
    """Return the run folder that a path names, itself or by its ``summary.json``.

    Raises:
        ConfigError: It names no run that has begun.
    """
    path = Path(run_or_summary).expanduser()
    run = RunFolder(path if path.is_dir() else path.parent)
    for needed in (run.path / "config.yaml", run.metrics):
        if not needed.is_file():
            raise ConfigError(
                f"reproduce={run_or_summary}: {needed} is missing; give a run folder of "
                "outtake train or its summary.json"
            )
    return run


def list_environment_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Name what a result may depend on and what has changed, one line each."""
    return [
        f"{key}: {_shorten(before)}, now {_shorten(now)}"
        for key, before, now in _iter_changes(
            _select_relevant_facts(old), _select_relevant_facts(new)
        )
    ]


def list_data_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Name the splits whose files have changed, and how many of them."""
    if old.get("fingerprint") == new.get("fingerprint"):
        return []
    lines = []
    for name, split in old.get("splits", {}).items():
        before, now = split.get("files", {}), new.get("splits", {}).get(name, {}).get("files", {})
        unlike = [
            key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)
        ]
        if unlike:
            lines.append(
                f"data {name}: {len(unlike)} samples have changed, the first is {unlike[0]}"
            )
    return lines or ["data: the fingerprint has changed"]


def list_resume_differences(run: Path) -> list[str]:
    """Name what was changed when the run was resumed; the saved config is that of its end."""
    notes = read_json_lines(run / "resumptions.jsonl", _REMEDY)
    changed = [
        [word for word in map(str, note.get("overrides") or []) if not word.startswith("resume=")]
        for note in notes
    ]
    return [
        f"resumed with {' '.join(each)}; this one is trained in one go" for each in changed if each
    ]


def format_verdict(mismatch: Mapping[str, Any] | None, run: Path) -> str:
    """Return the line that is printed last."""
    if mismatch is None:
        return f"identical: every record of metrics.jsonl in {run}"
    return (
        f"not identical: first at step {mismatch['step']}, {mismatch['key']} was "
        f"{_shorten(mismatch['before'])} and is {_shorten(mismatch['now'])}; see "
        f"{run}/reproduction.json"
    )


def _select_relevant_facts(record: Mapping[str, Any]) -> dict[str, Any]:
    git = record.get("git") or {}
    return {
        "outtake": record.get("outtake"),
        "revision": git.get("revision"),
        "uncommitted changes": git.get("diff") or None,
        "python": record.get("python"),
        "platform": record.get("platform"),
        **{f"package {k}": v for k, v in (record.get("packages") or {}).items()},
        **{f"hardware {k}": v for k, v in (record.get("hardware") or {}).items()},
        **{f"flag {k}": v for k, v in (record.get("flags") or {}).items()},
    }


def _iter_changes(
    before: Mapping[str, Any], now: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    for key in [*before, *(key for key in now if key not in before)]:
        if before.get(key) != now.get(key):
            yield key, before.get(key), now.get(key)


def _shorten(value: Any) -> str:
    text = "absent" if value is None else " ".join(str(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
