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
    cut off, because those steps are done, and logged, again.

    Args:
        path: The path of ``metrics.jsonl`` in the run folder.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

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
        with self._path.open("a") as file:
            file.write(json.dumps(finite(record)) + "\n")

    def state_dict(self) -> dict[str, int]:
        """Return the number of bytes in the file, after they have reached the disk."""
        if not self._path.is_file():
            return {"bytes": 0}
        with self._path.open("rb+") as file:
            os.fsync(file.fileno())
            return {"bytes": file.seek(0, os.SEEK_END)}

    @rank_zero_only
    def load_state_dict(self, state: dict[str, int]) -> None:
        """Cut off what was logged after :meth:`state_dict`, or half a line that is left of it."""
        size = self._path.stat().st_size if self._path.is_file() else 0
        if size < state["bytes"]:
            # The next record would be appended to the half, and neither could be read.
            torn = cut_last_line_if_torn(self._path)
            log.warning(
                f"{self._path} has lost records from before the checkpoint: it has {size} bytes of "
                f"{state['bytes']}"
                + (f", of which {torn} are half a line and were cut off" if torn else "")
                + "; the run resumes without them"
            )
        elif size > state["bytes"]:
            os.truncate(self._path, state["bytes"])

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
