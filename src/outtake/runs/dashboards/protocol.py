"""What a dashboard is asked to do."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from outtake.core.files import replace_text
from outtake.training.media import Cell, Picture, Table

FlatConfig = Mapping[str, Cell]


@dataclass(frozen=True)
class ScalarRecord:
    """One record of metrics.

    Attributes:
        step: of the optimizer.
        time_s: when it was logged, seconds since the epoch.
        values: by ``split/name``.
    """

    step: int
    time_s: float
    values: Mapping[str, float]


class Dashboard(Protocol):
    """A view of a run. All calls come from one thread, in order; each may raise anything."""

    def log_config(self, settings: FlatConfig) -> None:
        """Take the config, flat, secrets hidden: what runs are compared by."""
        ...

    def log_scalars(self, records: Sequence[ScalarRecord]) -> None:
        """Take records of metrics, as many as have come in since the last call."""
        ...

    def log_picture(self, picture: Picture, step: int) -> None:
        """Take a picture."""
        ...

    def log_table(self, table: Table, step: int) -> None:
        """Take a table."""
        ...

    def log_checkpoint(self, path: Path) -> None:
        """Take the best checkpoint, after training."""
        ...

    def finish(self, status: str) -> None:
        """End the run as ``finished``, ``failed`` or ``killed``, and write what is left."""
        ...


@contextmanager
def temporary_png(picture: Picture) -> Iterator[str]:
    """Give a picture as a file for a while, to what copies files faster than it encodes."""
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        file.write(picture.png)
        file.flush()
        yield file.name


def load_run_id(run_dir: Path, dashboard: str) -> str | None:
    """Return what a dashboard calls the run of a folder, so that a run that goes on stays one."""
    kept = run_dir / "dashboards" / f"{dashboard}.id"
    return kept.read_text().strip() or None if kept.is_file() else None


def save_run_id(run_dir: Path, dashboard: str, name: str) -> str:
    """Remember what a dashboard calls the run of a folder, and return it."""
    replace_text(run_dir / "dashboards" / f"{dashboard}.id", f"{name}\n")
    return name
