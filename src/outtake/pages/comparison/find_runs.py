"""Find the run folders in the folders that the command line names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

MAX_DEPTH = 4
_RUN_FILES = ("config.yaml", "metrics.jsonl", "summary.json")


def find_runs(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """Return run folders with names that tell them apart.

    A folder that is not a run but holds some, such as a multirun's, stands for those. One that
    holds none is returned itself, so that it can be listed as empty. Files are skipped.

    Returns:
        Each folder once with its name, in the order given, under the first path that leads to it;
        beside a folder, links to it count for nothing. A name is the path below the deepest folder
        that all have in common.
    """
    found: dict[str, Path] = {}
    for place in paths:
        if place.is_dir():
            for path in find_runs_below(place) or [place]:
                found.setdefault(os.path.realpath(path), _tidy(path))
    folders = list(found.values())
    if not folders:
        return []
    common = Path(os.path.commonpath([path.parent for path in folders]))
    return [(path, path.relative_to(common).as_posix()) for path in folders]


def find_runs_below(folder: Path) -> list[Path]:
    """Return the folder itself if it is a run, else the runs in it, each once."""
    runs = list(_iter_runs(folder, MAX_DEPTH))
    top = os.path.realpath(folder)
    real = {path: os.path.realpath(path) for path in runs}
    kept: dict[str, Path] = {}
    # The folders themselves come before links to them.
    for path in sorted(runs, key=lambda p: os.path.join(top, p.relative_to(folder)) != real[p]):
        kept.setdefault(real[path], path)
    return [path for path in runs if kept[real[path]] == path]


def is_run(folder: Path) -> bool:
    """Return whether a folder holds the files of a run, as far as it has come."""
    return any((folder / mark).is_file() for mark in _RUN_FILES)


def _iter_runs(folder: Path, depth: int) -> Iterator[Path]:
    if is_run(folder):
        yield folder
    elif depth:
        try:
            inner = sorted((p for p in folder.iterdir() if p.is_dir()), key=_natural_order)
        except OSError:
            return
        for path in inner:
            yield from _iter_runs(path, depth - 1)


def _tidy(path: Path) -> Path:
    """Return an absolute path, without ``..`` where that is the same folder."""
    plain = Path(os.path.abspath(path))
    same = os.path.realpath(plain) == os.path.realpath(path)
    return plain if same else path.absolute()


def _natural_order(path: Path) -> tuple[bool, int, str]:
    # The jobs of a multirun are numbered: 2 comes before 10.
    return not path.name.isdigit(), int(path.name) if path.name.isdecimal() else 0, path.name
