"""TensorBoard: event files in the run folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from outtake.runs.dashboards.protocol import FlatConfig, ScalarRecord
from outtake.training.media import Cell, Picture, Table

# The metrics of the HParams tab, by which it lines up runs.
_HPARAMS_METRICS = ("val/miou", "val/loss")
_MAX_ROWS = 100
# Event files reach the disk this often, so that a run that dies keeps what it logged.
_FLUSH_S = 10


class TensorBoardDashboard:
    """Curves, pictures, tables as text, and the config in the HParams tab.

    Args:
        run_dir: The run folder, in which ``tensorboard/`` is written.
    """

    packages = "tensorboard"

    def __init__(self, run_dir: Path) -> None:
        self._folder = run_dir / "tensorboard"
        self._summary: Any = None
        self._hparams: Any = None
        self._writer_class: Any = None

    def load(self) -> None:
        """Import TensorBoard."""
        from tensorboard.compat.proto.summary_pb2 import Summary
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        self._summary, self._writer_class, self._hparams = Summary, SummaryWriter, hparams

    def start(self) -> None:
        """Open an event file."""
        self._writer = self._writer_class(str(self._folder), flush_secs=_FLUSH_S)
        self._events = self._writer._get_file_writer()

    def log_config(self, config: FlatConfig) -> None:
        """Write what the HParams tab shows; its metrics are the last values of the curves."""
        plain = {key: str(value) if value is None else value for key, value in config.items()}
        for summary in self._hparams(plain, dict.fromkeys(_HPARAMS_METRICS, 0.0)):
            self._events.add_summary(summary)

    def log_scalars(self, records: Sequence[ScalarRecord]) -> None:
        """Write curves."""
        for record in records:
            for name, value in record.values.items():
                self._writer.add_scalar(name, value, record.step, walltime=record.time_s)

    def log_picture(self, picture: Picture, step: int) -> None:
        """Write a picture."""
        height, width = picture.image.shape[:2]
        image = self._summary.Image(
            height=height, width=width, colorspace=3, encoded_image_string=picture.png
        )
        value = self._summary.Value(tag=picture.name, image=image)
        self._events.add_summary(self._summary(value=[value]), step)

    def log_table(self, table: Table, step: int) -> None:
        """Write a table as text; a confusion matrix is logged as a picture."""
        if table.chart != "matrix":
            self._writer.add_text(table.name, markdown_table(table), step)

    def log_checkpoint(self, path: Path) -> None:
        """Do nothing: TensorBoard keeps no files."""

    def finish(self, status: str) -> None:
        """Write what is left."""
        self._writer.close()


def markdown_table(table: Table) -> str:
    """Return the first hundred rows of a table in Markdown."""
    lines = [table.columns, ["---"] * len(table.columns), *table.rows[:_MAX_ROWS]]
    return "\n".join("| " + " | ".join(map(_cell_text, line)) + " |" for line in lines)


def _cell_text(cell: Cell) -> str:
    if cell is None:
        return ""
    return f"{cell:.4f}" if isinstance(cell, float) else str(cell).replace("|", "\\|")
