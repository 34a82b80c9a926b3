"""The program that compares run folders on one page."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from outtake.core.errors import ConfigError
from outtake.core.files import check_folder, finite, replace_text
from outtake.core.printable_text import list_some, to_printable
from outtake.pages.comparison.find_runs import find_runs, is_run
from outtake.pages.comparison.page_data import page_data
from outtake.pages.comparison.run_record import RunRecord, read_run
from outtake.pages.comparison.run_table import (
    RunFilter,
    describe_difference,
    parse_conditions,
    run_records,
    to_csv,
)
from outtake.pages.html_page import render_page

DEFAULT_OUTPUT = Path("compare.html")
STANDARD_OUTPUT = "-"
DIFFERENT_EXIT_CODE = 1
SHOWN_RUNS, ALL_RUNS = RunFilter(), RunFilter(hidden=True)
_MAX_NAMED = 3
_RECORD_SUFFIXES = (".yaml", ".json", ".jsonl")

log = logging.getLogger(__name__)


def compare_runs(
    paths: Sequence[Path], output: Path = DEFAULT_OUTPUT, chosen: RunFilter = SHOWN_RUNS
) -> Path:
    """Write one self-contained page that compares the runs in some folders.

    Args:
        paths: Run folders, or folders that hold some.
        output: The page; an existing one is replaced.
        chosen: Which of the runs are compared.

    Returns:
        The path of the page.

    Raises:
        ConfigError: A path does not exist, none is a folder, or no run has logged anything.
        OutputError: The page cannot be written.
    """
    output = output.expanduser()
    if output.is_dir():
        raise ConfigError(f"--output {output} is a folder; give the name of an .html file")
    check_folder(output.parent)
    runs = read_runs(paths, chosen)
    title = f"{len(runs)} run{'' if len(runs) == 1 else 's'} compared"
    replace_text(output, render_page(title, "comparison", page_data(runs, title)))
    _print_summary(runs, output)
    return output


def read_runs(paths: Sequence[Path], chosen: RunFilter = SHOWN_RUNS) -> list[RunRecord]:
    """Read the runs in some folders.

    Raises:
        ConfigError: A path does not exist, none is a folder, no run has a setting that is asked
            for, no run is left, or none has logged anything.
    """
    paths = [place.expanduser() for place in paths]
    absent = [str(place) for place in paths if not place.exists()]
    found = find_runs(paths)
    if absent or not found:
        named = ", ".join((absent or [str(place) for place in paths])[:_MAX_NAMED])
        raise ConfigError(
            f"{named}: no such folder; give run folders of outtake train, as in runs/*"
        )
    with ThreadPoolExecutor(2) as pool:
        read = list(pool.map(lambda pair: read_run(*pair), found))
    chosen.check_keys(read)
    runs = [run for run in read if chosen.accepts(run)]
    if not runs:
        hidden = sum(run.notes.hide for run in read)
        raise ConfigError(
            f"none of {len(read)} runs is as asked for ({hidden} are hidden; --all takes them)"
        )
    if not any(run.is_drawable for run in runs):
        # An earlier page may exist, and is worth more than an empty one.
        raise ConfigError(_nothing_to_compare(runs))
    left_out = sum(replace(chosen, hidden=True).accepts(run) for run in read) - len(runs)
    if left_out:
        log.info("left out: %d hidden run%s; --all takes them", left_out, "s" * (left_out > 1))
    return runs


def write_tables(runs: Sequence[RunRecord], csv: Path | None, json_file: Path | None) -> None:
    """Write runs as CSV, as JSON, or both; ``-`` is standard output.

    Raises:
        OutputError: A file cannot be written.
    """
    tables = ((csv, to_csv), (json_file, _to_json))
    for target, make in tables:
        if target is None:
            continue
        text = make(runs)
        if str(target) == STANDARD_OUTPUT:
            print(text, end="")
        else:
            check_folder(target.expanduser().parent)
            replace_text(target.expanduser(), text)


def _to_json(runs: Sequence[RunRecord]) -> str:
    return json.dumps(finite(run_records(runs)), indent=2, allow_nan=False) + "\n"


def print_difference(paths: Sequence[Path]) -> bool:
    """Print in what two runs differ, and return whether they do.

    Raises:
        ConfigError: One of them is no run, or its settings cannot be read.
    """
    pair = [read_runs([path], ALL_RUNS) for path in paths]
    for path, runs in zip(paths, pair, strict=True):
        if len(runs) != 1:
            raise ConfigError(f"--diff: {path} holds {len(runs)} runs; give two run folders")
    for run in [run for runs in pair for run in runs if not run.settings]:
        why = "; ".join(run.problems) or "no config.yaml"
        raise ConfigError(
            to_printable(f"--diff: the settings of {run.path} cannot be compared: {why}")
            + "; restore its config.yaml from a copy, or compare the scores on a page"
        )
    lines = describe_difference(*(run for runs in pair for run in runs))
    for line in lines:
        print(to_printable(line))
    if not lines:
        print("no difference in settings, data and scores")
    return bool(lines)


def _nothing_to_compare(runs: Sequence[RunRecord]) -> str:
    named = list_some(list(map(_describe_problems, runs)), _MAX_NAMED)
    return (
        f"nothing to compare: {named}; give run folders of outtake train that have logged "
        "something, as in runs/*"
    )


def _describe_problems(run: RunRecord) -> str:
    return to_printable(f"{run.name} ({run.state}: {'; '.join(run.problems)})")


def _print_summary(runs: Sequence[RunRecord], output: Path) -> None:
    for run in runs:
        if run.state in ("broken", "empty"):
            print(f"left out: {_describe_problems(run)}")
    unfinished = sum(run.state == "unfinished" for run in runs)
    finished = sum(run.state == "finished" for run in runs)
    print(
        f"{finished} finished and {unfinished} unfinished runs in {output} "
        f"({output.stat().st_size / 1e6:.1f} MB)"
    )


def check_outputs(given: argparse.Namespace) -> None:
    """Refuse files that would write over each other, or over what a run recorded.

    Raises:
        ConfigError: There are such files.
    """
    named: dict[str, str] = {}
    for key in ("csv", "json", "output"):
        target = getattr(given, key)
        if target is None:
            continue
        place = target.expanduser()
        other = named.setdefault(os.path.realpath(place), key)
        if other != key:
            raise ConfigError(f"--{other} and --{key} are both {target}; name two files")
        if place.suffix in _RECORD_SUFFIXES and place.is_file() and is_run(place.parent):
            raise ConfigError(
                f"--{key} {target}: a record of the run {place.parent}, which stays; name another "
                "file"
            )


def _refuse_beside_diff(given: argparse.Namespace) -> None:
    """Raise a ConfigError if something stands beside ``--diff`` that would have no effect."""
    for key in ("runs", "output", "csv", "json", "tag", "group", "where", "all"):
        value = getattr(given, key)
        if value not in (None, [], False):
            word = str(value[0]) if key == "runs" else f"--{key}"
            raise ConfigError(
                f"{word}: has no effect beside --diff RUN OTHER, which prints in what two runs "
                "differ; leave one of the two out"
            )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="outtake compare",
        description="Compare run folders of outtake train on one self-contained HTML page, or as a "
        "table: outtake compare runs/*",
    )
    parser.add_argument("runs", nargs="*", type=Path, help="run folders, or folders holding some")
    parser.add_argument("--output", type=Path, help=f"the page ({DEFAULT_OUTPUT})")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="a table instead; - prints it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all values; - prints them")
    parser.add_argument(
        "--diff",
        nargs=2,
        type=Path,
        metavar=("RUN", "OTHER"),
        help="print in what two runs differ; the exit code is 1 if they do",
    )
    parser.add_argument("--tag", action="append", default=[], help="only runs with this tag")
    parser.add_argument("--group", help="only runs of this group")
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="only runs with this setting, as optimizer.lr=0.01",
    )
    parser.add_argument("--all", action="store_true", help="runs that are hidden too")
    given = parser.parse_args()
    if given.diff is not None:
        _refuse_beside_diff(given)
        sys.exit(DIFFERENT_EXIT_CODE if print_difference(given.diff) else 0)
    if not given.runs:
        raise ConfigError("no run folder is named, as in runs/*")
    check_outputs(given)
    chosen = RunFilter(tuple(given.tag), given.group, parse_conditions(given.where), given.all)
    if given.csv or given.json:
        write_tables(read_runs(given.runs, chosen), given.csv, given.json)
    if given.output or not (given.csv or given.json):
        compare_runs(given.runs, given.output or DEFAULT_OUTPUT, chosen)
