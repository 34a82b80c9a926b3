"""The folder of one run, which describes itself."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from outtake.core.errors import DataRootError, OutputError
from outtake.core.file_lock import FolderLock
from outtake.core.files import finite, replace_text, write_json
from outtake.core.json_files import cut_last_line_if_torn, read_json_object
from outtake.core.override_text import format_override
from outtake.core.redact import redact_overrides, redact_tree
from outtake.runs.run_ending import ENDING_FILE, LOCK_FILE, RunEnding
from outtake.runs.run_notes import NOTES_FILE, RunNotes

log = logging.getLogger(__name__)


class RunFolder:
    """``config.yaml``, ``metrics.jsonl``, ``checkpoints/`` ... under fixed names.

    Args:
        path: The folder.

    Attributes:
        path: The folder.
        checkpoints: The folder of ``best.ckpt``, ``last.ckpt`` and the one before it,
            ``previous.ckpt``.
        metrics: One JSON object a line, append only: the source of truth for every curve.
        data: The fingerprint and the files of the data.
        images: The folder of pictures.
        confusion: The folder with the confusion matrix of every validation.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.metrics = self.path / "metrics.jsonl"
        self.data = self.path / "data.json"
        self.images = self.path / "images"
        self.confusion = self.path / "confusion"
        self._lock = FolderLock(self.path / LOCK_FILE)

    def create(self, *, resume: bool = False, restart_empty: bool = False) -> None:
        """Make the folder, and keep other processes from training in it until :meth:`unlock`.

        Args:
            resume: Whether the run in the folder is resumed.
            restart_empty: Whether a run in the folder that saved nothing starts again.

        Raises:
            OutputError: The folder cannot be written, another process trains in it, or it holds
                another run.
        """
        if not resume:
            self._check_not_taken(restart_empty)
        try:
            for folder in (self.path, self.checkpoints, self.images):
                folder.mkdir(parents=True, exist_ok=True)
            probe = self.path / ".write_test"
            probe.touch()
            probe.unlink()
            self._lock.take()
        except BlockingIOError as error:
            raise OutputError(
                f"{self.path}: another process trains there; wait until it ends, or choose "
                "another name=..."
            ) from error
        except OSError as error:
            raise OutputError(
                f"cannot write run folder {self.path}: {error.strerror}; set paths.runs=PATH"
            ) from error
        if not resume:
            # Whoever had the lock until now may have left a run.
            self._check_not_taken(restart_empty)
        if restart_empty and not resume:
            # What was logged before anything was saved will be done, and logged, again.
            self.metrics.unlink(missing_ok=True)

    def unlock(self) -> None:
        """Let other processes train in the folder."""
        self._lock.release()

    def _check_not_taken(self, restart_empty: bool) -> None:
        begun = (self.path / "config.yaml").exists()
        if self.is_scored() and not self.has_saved() and (begun or restart_empty):
            raise OutputError(
                f"{self.path} holds a run that cannot be resumed, without checkpoints/last.ckpt; "
                "choose another name=..., or delete it"
            )
        if begun and not restart_empty:
            raise OutputError(f"{self.path} already holds a run; {self._advise_on_taken()}")

    def _advise_on_taken(self) -> str:
        if self.has_saved():
            resume = format_override("resume", self.path)
            return f"choose another name=..., or resume it with {resume}"
        return (
            "it ended before it saved a checkpoint, so there is nothing to resume; choose another "
            "name=..., delete it, or add resume=auto, which begins it again there"
        )

    def resume_checkpoints(self) -> list[Path]:
        """Return the paths of the checkpoints from which a run resumes, the newest first."""
        return [self.checkpoints / name for name in ("last.ckpt", "previous.ckpt")]

    def has_saved(self) -> bool:
        """Return whether there is a checkpoint from which the run can be resumed."""
        return any(path.is_file() for path in self.resume_checkpoints())

    def is_scored(self) -> bool:
        """Return whether the run got as far as a score, which must not be written over."""
        return (self.path / "summary.json").exists() or (self.checkpoints / "best.ckpt").exists()

    def read_notes(self) -> RunNotes:
        """Return what is noted on the run; nothing where the file is missing.

        Raises:
            RecordError: The file cannot be read. Who would write others keeps it so.
        """
        plain = read_json_object(
            self.path / NOTES_FILE, "repair it, or delete it if what was noted may go"
        )
        return RunNotes() if plain is None else RunNotes.from_dict(plain)

    def write_notes(self, notes: RunNotes) -> None:
        """Write what is noted on the run, secrets hidden."""
        self.write_json(NOTES_FILE, notes.to_dict())

    def write_ending(self, ending: RunEnding) -> None:
        """Write how a training ended before its end, secrets hidden."""
        self.write_json(ENDING_FILE, ending.to_dict())

    def discard_ending(self) -> None:
        """Delete what an earlier training left of how it ended."""
        (self.path / ENDING_FILE).unlink(missing_ok=True)

    def discard_summary(self) -> None:
        """Delete ``summary.json``, which a run that continues makes untrue."""
        (self.path / "summary.json").unlink(missing_ok=True)

    def write_config(self, text: str, resolved: str) -> None:
        """Write the config, in which secrets are hidden already.

        Args:
            text: The config as composed, for ``config.yaml``: another machine resolves it.
            resolved: The config with its values, for ``config_resolved.yaml``, which people read.
        """
        replace_text(self.path / "config_resolved.yaml", resolved)
        replace_text(self.path / "config.yaml", text)

    def check_data(self, record: Mapping[str, Any]) -> None:
        """Raise a DataRootError if a resumed run would continue with other data.

        Raises:
            RecordError: What it was begun with cannot be read.
        """
        found = read_json_object(
            self.data, "restore it from a copy, or delete it to go on without comparing the data"
        )
        begun = record if found is None else found
        if any(begun.get(key) != record.get(key) for key in ("fingerprint", "unlabelled")):
            raise DataRootError(
                f"the data is not that with which {self.path} was begun (the fingerprints differ, "
                "see data.json); start a new run"
            )

    def log_resume(self, overrides: Sequence[str], environment: Mapping[str, Any]) -> None:
        """Append the overrides and the environment of a resumption to ``resumptions.jsonl``.

        A line that an earlier one left half written is cut off, with one line of warning.
        """
        path = self.path / "resumptions.jsonl"
        if torn := cut_last_line_if_torn(path):
            log.warning("%s ended in half a line: its %d bytes were cut off", path, torn)
        record = {
            "time_s": round(time.time(), 3),
            "overrides": redact_overrides(overrides),
            "environment": environment,
        }
        with path.open("a") as file:
            file.write(json.dumps(finite(redact_tree(record))) + "\n")

    def write_overrides(self, overrides: Sequence[str]) -> None:
        """Write the overrides of the command line as a YAML list, with secrets hidden."""
        text = yaml.safe_dump(redact_overrides(overrides), width=1000)
        replace_text(self.path / "overrides.yaml", text)

    def write_json(self, name: str, record: Mapping[str, Any]) -> None:
        """Write a JSON object, with secrets hidden and NaN as null."""
        write_json(self.path / name, redact_tree(record))
