"""The folder of one run, which describes itself."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from outtake.core.errors import DataRootError, OutputError
from outtake.core.file_lock import FolderLock
from outtake.core.files import finite, replace_text, write_json
from outtake.core.redact import redact, redact_tree


class RunFolder:
    """``config.yaml``, ``metrics.jsonl``, ``checkpoints/`` ... under fixed names.

    Args:
        path: the folder.

    Attributes:
        path: the folder.
        checkpoints: ``best.ckpt``, ``last.ckpt`` and the one before that, ``previous.ckpt``.
        metrics: one JSON object a line, append only: the source of truth for every curve.
        data: fingerprint and files of the data.
        images: baked pictures.
        confusion: the confusion matrix of every validation.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.metrics = self.path / "metrics.jsonl"
        self.data = self.path / "data.json"
        self.images = self.path / "images"
        self.confusion = self.path / "confusion"
        self._lock = FolderLock(self.path / ".lock")

    def create(self, *, resume: bool = False, restart_empty: bool = False) -> None:
        """Make the folder, and keep other processes from training in it until :meth:`leave`.

        Args:
            resume: the run that is there goes on.
            restart_empty: one that is there and has nothing to go on from begins anew.

        Raises:
            OutputError: it can not be written, another process trains in it, or another run is in
                it already.
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
                f"{self.path}: another process trains there; wait for its end, or choose another "
                "name=..."
            ) from error
        except OSError as error:
            raise OutputError(
                f"can not write run folder {self.path}: {error.strerror}; set paths.runs=PATH"
            ) from error
        if not resume:
            self._check_not_taken(restart_empty)  # who had the lock until now may have left a run
        if restart_empty and not resume:
            # What was logged before anything was saved is done, and logged, again.
            self.metrics.unlink(missing_ok=True)

    def unlock(self) -> None:
        """Let other processes train in the folder."""
        self._lock.release()

    def _check_not_taken(self, restart_empty: bool) -> None:
        begun = (self.path / "config.yaml").exists()
        trained = [self.path / "summary.json", self.checkpoints / "best.ckpt"]
        if restart_empty and any(path.exists() for path in trained):
            raise OutputError(
                f"{self.path} holds a run without checkpoints/last.ckpt to go on from; choose "
                "another name=..., or delete it"
            )
        if begun and not restart_empty:
            raise OutputError(
                f"{self.path} already holds a run; choose another name=..., or go on with it by "
                f"resume={self.path}"
            )

    def discard_summary(self) -> None:
        """Take back ``summary.json``: the run goes on, and what that says is no longer so."""
        (self.path / "summary.json").unlink(missing_ok=True)

    def write_config(self, text: str) -> None:
        """Write ``config.yaml``, in which secrets are hidden already."""
        replace_text(self.path / "config.yaml", text)

    def check_data(self, record: Mapping[str, Any]) -> None:
        """Raise a DataRootError if a run that goes on would do so with other data."""
        begun = json.loads(self.data.read_text()) if self.data.is_file() else record
        if begun.get("fingerprint") != record.get("fingerprint"):
            raise DataRootError(
                f"the data is not what {self.path} was begun with (fingerprints differ, see "
                "data.json); begin a new run"
            )

    def log_resume(self, overrides: Sequence[str], environment: Mapping[str, Any]) -> None:
        """Append what a resumption changed and ran on to ``resumptions.jsonl``."""
        record = {
            "time_s": round(time.time(), 3),
            "overrides": [redact(text) for text in overrides],
            "environment": environment,
        }
        with (self.path / "resumptions.jsonl").open("a") as file:
            file.write(json.dumps(finite(redact_tree(record))) + "\n")

    def write_overrides(self, overrides: Sequence[str]) -> None:
        """Write the command line's overrides as a YAML list, secrets hidden."""
        text = yaml.safe_dump([redact(override) for override in overrides], width=1000)
        replace_text(self.path / "overrides.yaml", text)

    def write_json(self, name: str, record: Mapping[str, Any]) -> None:
        """Write a JSON object, secrets hidden, NaN as null."""
        write_json(self.path / name, redact_tree(record))
