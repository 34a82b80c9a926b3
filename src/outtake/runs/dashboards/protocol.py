"""What a dashboard is asked to do."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from outtake.core.errors import ConfigError
from outtake.core.files import replace_text
from outtake.training.media import Cell, Picture, Table

FlatConfig = Mapping[str, Cell]


@dataclass(frozen=True)
class ScalarRecord:
    """One record of metrics.

    Attributes:
        step: The step of the optimizer.
        time_s: The time at which it was logged, in seconds since 1970.
        values: The values by ``split/name``.
    """

    step: int
    time_s: float
    values: Mapping[str, float]


class Dashboard(Protocol):
    """A view of a run.

    It is made and loaded in the main thread. All other calls come from one thread of its own, in
    order, and each may raise anything.

    Attributes:
        packages: What ``pip install`` is given where :meth:`load` raises an ImportError.
    """

    packages: str

    def load(self) -> None:
        """Import what the dashboard needs.

        Data loaders are forked while the other thread is at work: a module that is just being
        imported there would stay locked in them.
        """
        ...

    def start(self) -> None:
        """Begin the run, or resume it."""
        ...

    def log_config(self, config: FlatConfig) -> None:
        """Log the config, flat and with secrets hidden: what runs are compared by."""
        ...

    def log_scalars(self, records: Sequence[ScalarRecord]) -> None:
        """Log the records of metrics that came in since the last call."""
        ...

    def log_picture(self, picture: Picture, step: int) -> None:
        """Log a picture."""
        ...

    def log_table(self, table: Table, step: int) -> None:
        """Log a table."""
        ...

    def log_checkpoint(self, path: Path) -> None:
        """Log the best checkpoint, after training."""
        ...

    def finish(self, status: str) -> None:
        """End the run as ``finished``, ``failed`` or ``killed``, and write what is left."""
        ...


@contextmanager
def temporary_png(picture: Picture) -> Iterator[str]:
    """Yield the path of a picture, for libraries that copy a file faster than they encode one."""
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        file.write(picture.png)
        file.flush()
        yield file.name


def load_run_id(run_dir: Path, dashboard: str) -> str | None:
    """Return a dashboard's id of the run in a folder, so that a resumed run stays one run."""
    path = run_dir / "dashboards" / f"{dashboard}.id"
    return path.read_text().strip() or None if path.is_file() else None


def save_run_id(run_dir: Path, dashboard: str, run_id: str) -> str:
    """Keep a dashboard's id of the run in a folder, and return it."""
    replace_text(run_dir / "dashboards" / f"{dashboard}.id", f"{run_id}\n")
    return run_id


def check_choice(key: str, value: str, allowed: Sequence[str]) -> None:
    """Raise a ConfigError unless a value is one of those that are allowed."""
    if value not in allowed:
        raise ConfigError(f"{key}={value}: allowed are {', '.join(allowed)}")
