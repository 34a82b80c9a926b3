"""All runs below some folders: new ones appear, and what is asked again is only what changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from outtake.core.printable_text import first_line
from outtake.pages.comparison.find_runs import find_runs, is_run
from outtake.pages.comparison.untrusted_files import as_mapping, read_json_object
from outtake.pages.live.live_run import LiveRun
from outtake.runs.run_notes import NOTES_FILE, RunNotes

MAX_RUNS = 500


class LiveRuns:
    """The runs below some folders, read again when somebody asks.

    Every run has a number, its id, and every change a version: whoever knows a version is told
    what is newer.

    Args:
        folders: Run folders, or folders that hold some or will.
        keys: The metrics whose curves are shown.
        interval_s: The shortest time between two looks at the folders, whoever asks.
        hidden: Whether runs that are hidden by their notes are shown too.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        keys: Sequence[str],
        interval_s: float,
        *,
        hidden: bool = False,
    ) -> None:
        self._folders, self._keys, self._interval_s = list(folders), list(keys), interval_s
        self._hidden = hidden
        self._lock = threading.Lock()
        self._runs: dict[Path, tuple[int, LiveRun]] = {}
        self._versions: dict[int, int] = {}
        self._next_id = 0
        self._version = 0
        self._looked_s = -float("inf")
        self._left_out = 0

    def newer_than(self, version: int, more_key: str | None = None) -> dict[str, Any]:
        """Return the runs that have changed since a version, and the ids of all.

        Args:
            version: The version that is known; 0 for none.
            more_key: One more metric whose curves are wanted.
        """
        with self._lock:
            self._look_again()
            keys = list(dict.fromkeys([*self._keys, *([more_key] if more_key else [])]))
            changed = [
                {"id": number, **run.describe(keys)}
                for number, run in self._runs.values()
                if self._versions[number] > version or version > self._version
            ]
            return {
                "version": self._version,
                "ids": [number for number, _ in self._runs.values()],
                "runs": changed,
                "left_out": self._left_out,
                "now_s": time.time(),
            }

    def picture(self, number: int, place: int) -> Path | None:
        """Return the picture at a place among the newest of a run, None if there is none.

        Args:
            number: The id of the run.
            place: Its place, from 0, the newest first.
        """
        with self._lock:
            for known, run in self._runs.values():
                if known == number and 0 <= place < len(run.pictures):
                    return run.pictures[place]
        return None

    def _look_again(self) -> None:
        now_s = time.monotonic()
        if now_s - self._looked_s < self._interval_s:
            return
        self._find_runs()
        for number, run in self._runs.values():
            if _has_changed(run) or number not in self._versions:
                self._version += 1
                self._versions[number] = self._version
        self._looked_s = time.monotonic()

    def _find_runs(self) -> None:
        found = [
            (path, name)
            for path, name in find_runs(self._folders)
            # A folder that holds no run stands for itself where runs are compared.
            if is_run(path) and (self._hidden or not _is_hidden(path))
        ]
        self._left_out = max(len(found) - MAX_RUNS, 0)
        runs = {}
        for path, name in found[:MAX_RUNS]:
            number, run = self._runs.get(path) or (self._new_id(), LiveRun(path, name))
            if run.name != name:
                # Another folder has appeared, and the name alone no longer tells them apart.
                run.name = name
                self._versions.pop(number, None)
            runs[path] = (number, run)
        self._runs = runs

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id


def _has_changed(run: LiveRun) -> bool:
    try:
        return run.look_again()
    except (OSError, ValueError, ArithmeticError, RecursionError) as error:
        # Somebody's broken folder.
        return run.report_problem(first_line(error))


def _is_hidden(path: Path) -> bool:
    return RunNotes.from_dict(as_mapping(read_json_object(path, NOTES_FILE, []))).hide
