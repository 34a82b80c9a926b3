"""The program that compares run folders on one page."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from outtake.core.errors import ConfigError
from outtake.core.files import check_folder, replace_text
from outtake.core.printable_text import to_printable
from outtake.pages.comparison.find_runs import find_runs
from outtake.pages.comparison.page_data import page_data
from outtake.pages.comparison.run_record import RunRecord, read_run
from outtake.pages.html_page import render_page

DEFAULT_OUTPUT = Path("compare.html")
_MAX_NAMED = 3


def compare_runs(paths: Sequence[Path], output: Path = DEFAULT_OUTPUT) -> Path:
    """Write one self-contained page that compares the runs in some folders.

    Args:
        paths: Run folders, or folders that hold some.
        output: The page; an existing one is replaced.

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
    paths = [place.expanduser() for place in paths]
    absent = [str(place) for place in paths if not place.exists()]
    found = find_runs(paths)
    if absent or not found:
        named = ", ".join((absent or [str(place) for place in paths])[:_MAX_NAMED])
        raise ConfigError(f"{named}: no such folder; give run folders of train.py, as in runs/*")
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda pair: read_run(*pair), found))
    if not any(run.is_drawable for run in runs):
        # An earlier page may exist, and is worth more than an empty one.
        raise ConfigError(_nothing_to_compare(runs))
    title = f"{len(runs)} run{'' if len(runs) == 1 else 's'} compared"
    replace_text(output, render_page(title, "comparison", page_data(runs, title)))
    _print_summary(runs, output)
    return output


def _nothing_to_compare(runs: Sequence[RunRecord]) -> str:
    named = ", ".join(map(_describe_problems, runs[:_MAX_NAMED]))
    more = f" and {len(runs) - _MAX_NAMED} more" if len(runs) > _MAX_NAMED else ""
    return (
        f"nothing to compare: {named}{more}; give run folders of train.py that have logged "
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


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python compare.py",
        description="Compare run folders of train.py on one self-contained HTML page: "
        "python compare.py runs/*",
    )
    parser.add_argument("runs", nargs="+", type=Path, help="run folders, or folders holding some")
    parser.add_argument(
        "--output", type=Path, default=DEFAULT_OUTPUT, help=f"the page ({DEFAULT_OUTPUT})"
    )
    arguments = parser.parse_args()
    compare_runs(arguments.runs, arguments.output)
