"""The log of a run: one JSON object a line, the source of truth for every curve."""

from __future__ import annotations

import json
import logging
import os
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from outtake.core.files import finite, replace_file
from outtake.core.json_files import cut_last_line_if_torn
from outtake.training.media import Media, Picture

log = logging.getLogger(__name__)


class JsonlLogger(Logger):
    """Append every record to ``metrics.jsonl``: one object a line, flushed as it is written.

    The keys are ``step``, ``epoch``, ``time_s`` (seconds since 1970) and the metrics, named
    ``split/name``. A resumed run continues the same file: what was logged after the checkpoint is
    cut off, because those steps are done, and logged, again. The file stays as it is until
    :meth:`write_held`, so that a resumption that fails in its first batch changes nothing of it.

    Args:
        path: The path of ``metrics.jsonl`` in the run folder.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        # Of a resumed run that has yet to go on: the length of its file, and the lines after it.
        self._resumed_bytes: int | None = None
        self._held: list[str] = []

    @property
    def name(self) -> str:
        """The name of the file."""
        return self._path.name

    @property
    def version(self) -> str:
        """Nothing: a run has a name, and Lightning would put a number into its progress bar."""
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Append one line."""
        values = {key: _to_float(value) for key, value in metrics.items()}
        epoch = values.pop("epoch", None)
        record: dict[str, Any] = {"step": step, "epoch": None if epoch is None else int(epoch)}
        record |= {"time_s": round(time.time(), 3), **values}
        line = json.dumps(finite(record)) + "\n"
        if self._resumed_bytes is not None:
            self._held.append(line)
            return
        with self._path.open("a") as file:
            file.write(line)

    def state_dict(self) -> dict[str, int]:
        """Return the number of bytes in the file, after they have reached the disk."""
        if self._resumed_bytes is not None:
            return {"bytes": self._resumed_bytes}
        if not self._path.is_file():
            return {"bytes": 0}
        with self._path.open("rb+") as file:
            os.fsync(file.fileno())
            return {"bytes": file.seek(0, os.SEEK_END)}

    @rank_zero_only
    def load_state_dict(self, state: dict[str, int]) -> None:
        """Hold what is logged from now on, until :meth:`write_held`."""
        self._resumed_bytes = state["bytes"]

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what a run that resumed after its last batch has logged since."""
        if status == "success":
            self.write_held()

    @rank_zero_only
    def write_held(self) -> None:
        """Let the file of a resumed run go on from where its checkpoint was saved.

        What was logged after :meth:`state_dict` is cut off, or half a line that is left of it, and
        what was logged since :meth:`load_state_dict` is written.
        """
        if self._resumed_bytes is None:
            return
        self._cut_back(self._resumed_bytes)
        self._resumed_bytes = None
        with self._path.open("a") as file:
            file.writelines(self._held)
        self._held.clear()

    def _cut_back(self, kept_bytes: int) -> None:
        size = self._path.stat().st_size if self._path.is_file() else 0
        if size < kept_bytes:
            # The next record would be appended to the half, and neither could be read.
            torn = cut_last_line_if_torn(self._path)
            log.warning(
                f"{self._path} has lost records from before the checkpoint: it has {size} bytes of "
                f"{kept_bytes}"
                + (f", of which {torn} are half a line and were cut off" if torn else "")
                + "; the run resumes without them"
            )
        elif size > kept_bytes:
            os.truncate(self._path, kept_bytes)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *_: Any, **__: Any) -> None:
        """Do nothing: ``config.yaml`` holds them."""

    @rank_zero_only
    def log_media(self, media: Media, step: int) -> None:
        """Write a picture into ``images/``; what a table shows is in the run folder already."""
        if isinstance(media, Picture):
            target = self._path.parent / "images" / media.file
            replace_file(target, lambda file: file.write(media.png))


def _to_float(value: float | torch.Tensor) -> float:
    return float(value.item()) if isinstance(value, torch.Tensor) else float(value)
