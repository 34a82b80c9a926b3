"""MLflow: all runs in one SQLite file, without a server."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

# Imported here, before there are threads and forks: the client does it at its first use.
from mlflow.store.tracking import sqlalchemy_store  # noqa: F401

from outtake.core.file_lock import FolderLock
from outtake.runs.dashboards.protocol import FlatConfig, ScalarRecord, load_run_id, save_run_id
from outtake.training.media import Picture, Table

Item = TypeVar("Item")

# What it says of every table that it makes in a new file.
for _chatty in ("mlflow", "alembic"):
    logging.getLogger(_chatty).setLevel(logging.WARNING)

# What a batch may hold, and a name and a value.
_MOST_METRICS = 1000
_MOST_PARAMS = 100
_PARAM_LETTERS = 6000
_FORBIDDEN_IN_NAMES = re.compile(r"[^\w\-. :/]")
_STATUS = {"finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}
_SETUP_TIMEOUT_S = 60.0


class MlflowDashboard:
    """Curves, pictures, tables as JSON, and the config as parameters.

    Args:
        run_dir: the run folder.
        experiment: the name under which runs are gathered.
        folder: of ``mlflow.db`` and ``mlflow/``, the pictures and tables of all runs.
        uri: another store: a database, or a server; it then keeps the files too.
    """

    def __init__(self, run_dir: Path, experiment: str, folder: Path, uri: str | None) -> None:
        files = None
        if uri is None:
            folder = folder.absolute()
            folder.mkdir(parents=True, exist_ok=True)
            # Runs beside each other wait for each other's writes.
            uri = f"sqlite:///{folder / 'mlflow.db'}?timeout=60"
            files = (folder / "mlflow").as_uri()
        with _setup_lock(folder):
            self._client = MlflowClient(uri, uri)
            known = self._client.get_experiment_by_name(experiment)
            of = (
                self._client.create_experiment(experiment, artifact_location=files)
                if known is None
                else known.experiment_id
            )
        self._run = load_run_id(run_dir, "mlflow") or save_run_id(
            run_dir, "mlflow", self._client.create_run(of, run_name=run_dir.name).info.run_id
        )
        self._client.update_run(self._run, status="RUNNING")

    def log_config(self, settings: FlatConfig) -> None:
        """Log parameters; those of a run that goes on with others stay as they were begun with."""
        known = self._client.get_run(self._run).data.params
        params = [
            Param(_mlflow_name(key), str(value)[:_PARAM_LETTERS])
            for key, value in settings.items()
            if _mlflow_name(key) not in known
        ]
        for some in _split_into_batches(params, _MOST_PARAMS):
            self._client.log_batch(self._run, params=some)

    def log_scalars(self, records: Sequence[ScalarRecord]) -> None:
        """Log curves, many records in one transaction."""
        metrics = [
            Metric(_mlflow_name(name), value, round(record.time_s * 1000), record.step)
            for record in records
            for name, value in record.values.items()
        ]
        for some in _split_into_batches(metrics, _MOST_METRICS):
            self._client.log_batch(self._run, metrics=some)

    def log_picture(self, picture: Picture, step: int) -> None:
        """Log a picture."""
        self._client.log_image(self._run, picture.image, key=_mlflow_name(picture.name), step=step)

    def log_table(self, table: Table, step: int) -> None:
        """Log a table as JSON."""
        plain = {"columns": list(table.columns), "data": [list(row) for row in table.rows]}
        self._client.log_dict(self._run, plain, f"tables/{_mlflow_name(table.name)}_{step}.json")

    def log_checkpoint(self, path: Path) -> None:
        """Note where it is: a copy of every checkpoint would double the disk that runs take."""
        self._client.set_tag(self._run, "checkpoint", str(path))

    def finish(self, status: str) -> None:
        """End the run."""
        self._client.set_terminated(self._run, _STATUS[status])


@contextmanager
def _setup_lock(folder: Path) -> Iterator[None]:
    """Let one process at a time make the tables and the experiment."""
    held = FolderLock(folder / "mlflow.lock")
    until_s = time.monotonic() + _SETUP_TIMEOUT_S
    while True:
        try:
            held.take()
            break
        except BlockingIOError:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.1)
    try:
        yield
    finally:
        held.release()


def _split_into_batches(items: Sequence[Item], most: int) -> Iterator[Sequence[Item]]:
    for at in range(0, len(items), most):
        yield items[at : at + most]


def _mlflow_name(name: str) -> str:
    """Return a name that MLflow takes: class names may hold anything."""
    return _FORBIDDEN_IN_NAMES.sub("_", name)
