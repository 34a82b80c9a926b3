"""MLflow: all runs in one SQLite file, without a server."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from outtake.core.file_lock import FolderLock
from outtake.runs.dashboards.protocol import FlatConfig, ScalarRecord, load_run_id, save_run_id
from outtake.training.media import Picture, Table

Item = TypeVar("Item")

# What MLflow takes in one call, and how long a parameter may be.
_MAX_METRICS = 1000
_MAX_PARAMS = 100
_MAX_PARAM_CHARS = 6000
_FORBIDDEN_IN_NAMES = re.compile(r"[^\w\-. :/]")
_STATUS = {"finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}
_SETUP_TIMEOUT_S = 60.0


class MlflowDashboard:
    """Curves, pictures, tables as JSON, and the config as parameters.

    Args:
        run_dir: The run folder.
        experiment: The name under which runs are gathered.
        folder: The folder of ``mlflow.db``, and of ``mlflow/`` with the pictures and tables of all
            runs; None for the folder beside the run folder.
        uri: Another store, a database or a server, which then keeps the files too.
    """

    packages = "mlflow-skinny sqlalchemy alembic"

    def __init__(
        self,
        run_dir: Path,
        experiment: str = "outtake",
        folder: str | Path | None = None,
        uri: str | None = None,
    ) -> None:
        self._run_dir = run_dir
        self._experiment = experiment
        self._folder = run_dir.parent if folder is None else Path(folder).expanduser()
        self._uri = uri
        self._mlflow: Any = None

    def load(self) -> None:
        """Import MLflow, and what it would import at its first use."""
        import mlflow
        import mlflow.entities
        import mlflow.store.tracking.sqlalchemy_store

        # They report every table that they make in a new file.
        for logger in ("mlflow", "alembic"):
            logging.getLogger(logger).setLevel(logging.WARNING)
        # Each attempt to reach a server or a file would be a line; the last one is an error.
        for logger in ("urllib3.connectionpool", "mlflow.store.db.utils"):
            logging.getLogger(logger).setLevel(logging.ERROR)
        self._mlflow = mlflow

    def start(self) -> None:
        """Find or make the experiment and the run."""
        uri, files, folder = self._uri, None, self._folder
        if uri is None:
            folder = folder.absolute()
            folder.mkdir(parents=True, exist_ok=True)
            # Runs beside each other wait for each other's writes.
            uri = f"sqlite:///{folder / 'mlflow.db'}?timeout=60"
            files = (folder / "mlflow").as_uri()
        with _setup_lock(folder):
            self._client = self._mlflow.MlflowClient(uri, uri)
            known = self._client.get_experiment_by_name(self._experiment)
            experiment_id = (
                self._client.create_experiment(self._experiment, artifact_location=files)
                if known is None
                else known.experiment_id
            )
        run_id = load_run_id(self._run_dir, "mlflow")
        if run_id is None:
            run = self._client.create_run(experiment_id, run_name=self._run_dir.name)
            run_id = save_run_id(self._run_dir, "mlflow", run.info.run_id)
        self._run = run_id
        self._client.update_run(self._run, status="RUNNING")

    def log_config(self, config: FlatConfig) -> None:
        """Log parameters; a resumed run keeps the values that it began with."""
        known = self._client.get_run(self._run).data.params
        params = [
            self._mlflow.entities.Param(_mlflow_name(key), str(value)[:_MAX_PARAM_CHARS])
            for key, value in config.items()
            if _mlflow_name(key) not in known
        ]
        for batch in _split_into_batches(params, _MAX_PARAMS):
            self._client.log_batch(self._run, params=batch)

    def log_scalars(self, records: Sequence[ScalarRecord]) -> None:
        """Log curves, many records in one transaction."""
        metrics = [
            self._mlflow.entities.Metric(
                _mlflow_name(name), value, round(record.time_s * 1000), record.step
            )
            for record in records
            for name, value in record.values.items()
        ]
        for batch in _split_into_batches(metrics, _MAX_METRICS):
            self._client.log_batch(self._run, metrics=batch)

    def log_picture(self, picture: Picture, step: int) -> None:
        """Log a picture."""
        name = _mlflow_name(picture.name)
        self._client.log_image(self._run, picture.image, key=name, step=step)

    def log_table(self, table: Table, step: int) -> None:
        """Log a table as JSON."""
        plain = {"columns": list(table.columns), "data": [list(row) for row in table.rows]}
        self._client.log_dict(self._run, plain, f"tables/{_mlflow_name(table.name)}_{step}.json")

    def log_checkpoint(self, path: Path) -> None:
        """Log the path: a copy of every checkpoint would double the disk space of runs."""
        self._client.set_tag(self._run, "checkpoint", str(path))

    def finish(self, status: str) -> None:
        """End the run."""
        self._client.set_terminated(self._run, _STATUS[status])


@contextmanager
def _setup_lock(folder: Path) -> Iterator[None]:
    """Let one process at a time make the tables and the experiment."""
    lock = FolderLock(folder / "mlflow.lock")
    until_s = time.monotonic() + _SETUP_TIMEOUT_S
    while True:
        try:
            lock.take()
            break
        except BlockingIOError:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.1)
    try:
        yield
    finally:
        lock.release()


def _split_into_batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _mlflow_name(name: str) -> str:
    """Return a name that MLflow takes: class names may hold any character."""
    return _FORBIDDEN_IN_NAMES.sub("_", name)
