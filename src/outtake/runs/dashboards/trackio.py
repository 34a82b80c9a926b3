"""trackio: all runs in one folder of this machine, without a server."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
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


class TrackioDashboard:
    """Curves, pictures and tables, with the config.

    Args:
        run_dir: The run folder.
        project: The name under which runs are gathered.
        folder: The folder of trackio's files, unless ``TRACKIO_DIR`` names another; None for
            ``trackio/`` beside the run folder. The first run of a process decides it for those
            that follow.
    """

    packages = "trackio"

    def __init__(
        self, run_dir: Path, project: str = "outtake", folder: str | Path | None = None
    ) -> None:
        self._run_dir = run_dir
        self._project = project
        place = run_dir.parent / "trackio" if folder is None else Path(folder).expanduser()
        self._folder = place.absolute()
        self._config: dict[str, Any] = {}
        self._trackio: Any = None
        self._run: Any = None

    def load(self) -> None:
        """Import trackio, which reads the place of its folder then, for the whole process."""
        os.environ.setdefault("TRACKIO_DIR", str(self._folder))
        import trackio

        folder = Path(trackio.utils.TRACKIO_DIR)
        if folder != self._folder:
            log.warning(f"trackio writes to {folder}: TRACKIO_DIR or an earlier run decided that")
        self._trackio = trackio

    def start(self) -> None:
        """Do nothing: trackio takes the config only when the run begins, with the first record."""

    def log_config(self, config: FlatConfig) -> None:
        """Keep the config until the run begins."""
        self._config = dict(config)

    def log_scalars(self, records: Sequence[ScalarRecord]) -> None:
        """Log curves."""
        for record in records:
            self._log(dict(record.values), record.step)

    def log_picture(self, picture: Picture, step: int) -> None:
        """Log a picture."""
        with temporary_png(picture) as path:
            self._log({picture.name: self._trackio.Image(path)}, step)

    def log_table(self, table: Table, step: int) -> None:
        """Log a table; a confusion matrix is logged as a picture."""
        if table.chart != "matrix":
            rows = [list(row) for row in table.rows]
            made = self._trackio.Table(columns=list(table.columns), data=rows)
            self._log({table.name: made}, step)

    def log_checkpoint(self, path: Path) -> None:
        """Do nothing: the file is in the run folder."""

    def finish(self, status: str) -> None:
        """Write what is left."""
        if self._run is not None:
            # trackio reports this on standard output.
            with contextlib.redirect_stdout(None):
                self._run.finish()

    def _log(self, record: dict[str, Any], step: int) -> None:
        if self._run is None:
            self._run = self._start_run()
        self._run.log(record, step=step)

    def _start_run(self) -> Any:
        # trackio.init() would print where it logs to, and, where there is a token of the hub, ask
        # the hub whose it is. The run that it makes needs neither.
        class LocalRun(self._trackio.Run):  # type: ignore[misc, name-defined]
            def _get_username(self) -> None:
                return None

        run_id = load_run_id(self._run_dir, "trackio")
        run = LocalRun(
            url=None,
            project=self._project,
            client=None,
            name=self._run_dir.name,
            run_id=run_id,
            config=self._config,
        )
        if run_id is None:
            save_run_id(self._run_dir, "trackio", run.id)
        return run
