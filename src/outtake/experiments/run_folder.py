"""The folder of one run, which describes itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from outtake.errors import OutputError
from outtake.experiments.redact import redact, redact_tree
from outtake.files import replace_text, write_json


class RunFolder:
    """``config.yaml``, ``metrics.jsonl``, ``checkpoints/`` ... under fixed names.

    Args:
        path: the folder.

    Attributes:
        path: the folder.
        checkpoints: ``best.ckpt`` and ``last.ckpt``.
        metrics: one JSON object a line, append only: the source of truth for every curve.
        images: baked pictures.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.metrics = self.path / "metrics.jsonl"
        self.images = self.path / "images"

    def create(self, *, resume: bool = False) -> None:
        """Make the folder.

        Raises:
            OutputError: it can not be written, or another run is in it already.
        """
        if (self.path / "config.yaml").exists() and not resume:
            raise OutputError(
                f"{self.path} already holds a run; choose another name=..., or go on with it by "
                f"resume={self.path}"
            )
        try:
            for folder in (self.path, self.checkpoints, self.images):
                folder.mkdir(parents=True, exist_ok=True)
            probe = self.path / ".write_test"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise OutputError(
                f"can not write run folder {self.path}: {error.strerror}; set paths.runs=PATH"
            ) from error

    def write_yaml(self, name: str, text: str) -> None:
        """Write YAML text, secrets hidden."""
        replace_text(self.path / name, redact(text))

    def write_overrides(self, overrides: Sequence[str]) -> None:
        """Write the command line's overrides as a YAML list, secrets hidden."""
        self.write_yaml("overrides.yaml", yaml.safe_dump([redact(text) for text in overrides]))

    def write_json(self, name: str, record: Mapping[str, Any]) -> None:
        """Write a JSON object, secrets hidden, NaN as null."""
        write_json(self.path / name, redact_tree(record))
