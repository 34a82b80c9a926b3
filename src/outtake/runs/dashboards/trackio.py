"""trackio: all runs in one folder of this machine, without a server."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from outtake.runs.dashboards.protocol import (
    FlatConfig,
    ScalarRecord,
    load_run_id,
    save_run_id,
    temporary_png,
)
from outtake.training.media import Picture, Table

log = logging.getLogger(__name__)


def import_trackio(folder: Path) -> ModuleType:
    """Import trackio, whose folder is settled then, for the whole process.

    Args:
        folder: of its files, unless ``TRACKIO_DIR`` names another.

    Raises:
        ImportError: it is not installed.
    """
    os.environ.setdefault("TRACKIO_DIR", str(folder.absolute()))
    import trackio

    settled = Path(trackio.utils.TRACKIO_DIR)
    if settled != folder.absolute():
        log.warning(f"trackio writes to {settled}: TRACKIO_DIR or an earlier run has said so")
    module: ModuleType = trackio
    return module


class TrackioDashboard:
    """Curves, pictures and tables, with the config.

    Args:
        client: what :func:`import_trackio` gave.
        run_dir: the run folder.
        project: the name under which runs are gathered.
    """

    def __init__(self, client: ModuleType, run_dir: Path, project: str) -> None:
        self._client = client
        self._run_dir = run_dir
        self._project = project
        self._settings: dict[str, Any] = {}
        self._run: Any = None

    def log_config(self, settings: FlatConfig) -> None:
        """Keep the config until the run is made: trackio takes it then only."""
        self._settings = dict(settings)

    def log_scalars(self, records: Sequence[ScalarRecord]) -> None:
        """Log curves."""
        for record in records:
            self._log(dict(record.values), record.step)

    def log_picture(self, picture: Picture, step: int) -> None:
        """Log a picture."""
        with temporary_png(picture) as path:
            self._log({picture.name: self._client.Image(path)}, step)

    def log_table(self, table: Table, step: int) -> None:
        """Log a table; a confusion matrix is there as a picture."""
        if table.chart != "matrix":
            rows = [list(row) for row in table.rows]
            made = self._client.Table(columns=list(table.columns), data=rows)
            self._log({table.name: made}, step)

    def log_checkpoint(self, path: Path) -> None:
        """Do nothing: the file is in the run folder."""

    def finish(self, status: str) -> None:
        """Write what is left."""
        if self._run is not None:
            # It says on standard output that it does.
            with contextlib.redirect_stdout(None):
                self._run.finish()

    def _log(self, record: dict[str, Any], step: int) -> None:
        if self._run is None:
            self._run = self._start_run()
        self._run.log(record, step=step)

    def _start_run(self) -> Any:
        # trackio.init() would print where it logs to, and, where there is a token of the hub, ask
        # the hub whose it is. The run that it makes can do without both.
        class LocalRun(self._client.Run):  # type: ignore[misc, name-defined]
            def _get_username(self) -> None:
                return None

        name = load_run_id(self._run_dir, "trackio")
        run = LocalRun(
            url=None,
            project=self._project,
            client=None,
            name=self._run_dir.name,
            run_id=name,
            config=self._settings,
        )
        if name is None:
            save_run_id(self._run_dir, "trackio", run.id)
        return run
