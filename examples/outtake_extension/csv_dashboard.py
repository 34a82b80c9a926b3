"""A dashboard: a class that is handed what a run logs, in a thread of its own."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from outtake.runs.dashboards.protocol import Dashboard, FlatConfig, ScalarRecord
from outtake.training.media import Picture, Table


class CsvDashboard(Dashboard):
    """Metrics as a table: one row for each number, in ``metrics.csv`` of the run folder.

    Args:
        run_dir: The run folder.
    """

    packages = "nothing"

    def __init__(self, run_dir: Path) -> None:
        self._path = Path(run_dir) / "metrics.csv"
        self._file: IO[str] | None = None

    def load(self) -> None:
        """Import nothing."""

    def start(self) -> None:
        """Open the file; a resumed run goes on behind what is in it."""
        self._file = self._path.open("a", newline="")

    def log_config(self, config: FlatConfig) -> None:
        """Ignore the config."""

    def log_scalars(self, records: Sequence[ScalarRecord]) -> None:
        """Write a row for each number: step, name, value."""
        assert self._file is not None
        rows = csv.writer(self._file)
        for record in records:
            rows.writerows((record.step, name, value) for name, value in record.values.items())

    def log_picture(self, picture: Picture, step: int) -> None:
        """Ignore pictures."""

    def log_table(self, table: Table, step: int) -> None:
        """Ignore tables."""

    def log_checkpoint(self, path: Path) -> None:
        """Ignore the checkpoint."""

    def finish(self, status: str) -> None:
        """Close the file."""
        assert self._file is not None
        self._file.close()
