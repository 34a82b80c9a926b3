"""Find the run folders in the folders that the command line names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

MAX_DEPTH = 4
_RUN_FILES = ("config.yaml", "metrics.jsonl", "summary.json")


def find_runs(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """Return run folders with names that tell them apart.

    A folder that is not a run but holds some, such as a multirun's, stands for those. One that
    holds none is returned itself, so that it can be listed as empty. Files are skipped.

    Returns:
        Each folder once with its name, in the order given. A name is the path below the deepest
        folder that all have in common.
    """
    found: list[Path] = []
    for place in paths:
        if place.is_dir():
            found += _runs_in(place, MAX_DEPTH) or [place]
    folders = list(dict.fromkeys(path.absolute() for path in found))
    if not folders:
        return []
    common = Path(os.path.commonpath([path.parent for path in folders]))
    return [(path, path.relative_to(common).as_posix()) for path in folders]


def _runs_in(folder: Path, depth: int) -> list[Path]:
    if any((folder / mark).is_file() for mark in _RUN_FILES):
        return [folder]
    if depth == 0:
        return []
    try:
        inner = sorted((p for p in folder.iterdir() if p.is_dir()), key=_natural_order)
    except OSError:
        return []
    return [run for path in inner for run in _runs_in(path, depth - 1)]


def _natural_order(path: Path) -> tuple[bool, int, str]:
    # The jobs of a multirun are numbered: 2 comes before 10.
    return not path.name.isdigit(), int(path.name) if path.name.isdecimal() else 0, path.name
