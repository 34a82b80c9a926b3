"""TensorBoardDashboard: event files in the run folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from outtake.runs.dashboards.protocol import FlatConfig, ScalarRecord
from outtake.training.media import Cell, Picture, Table

# Lines up runs in the HParams tab.
_HPARAMS_METRICS = ("val/miou", "val/loss")
_MOST_ROWS = 100
# Event files reach the disk this often, so that a run that dies keeps what it logged.
_FLUSH_S = 10


class TensorBoardDashboard:
    """Curves, pictures, tables as text, and the config in the HParams tab.

    Args:
        run_dir: the run folder, in which ``tensorboard/`` is written.
    """

    def __init__(self, run_dir: Path) -> None:
        self._writer = SummaryWriter(str(run_dir / "tensorboard"), flush_secs=_FLUSH_S)
        self._events = self._writer._get_file_writer()  # type: ignore[no-untyped-call]

    def log_config(self, settings: FlatConfig) -> None:
        """Write what the HParams tab shows; the metrics there are the last of the curves."""
        plain = {key: str(value) if value is None else value for key, value in settings.items()}
        for summary in hparams(plain, dict.fromkeys(_HPARAMS_METRICS, 0.0)):  # type: ignore[no-untyped-call]
            self._events.add_summary(summary)

    def log_scalars(self, records: Sequence[ScalarRecord]) -> None:
        """Write curves."""
        for record in records:
            for name, value in record.values.items():
                self._writer.add_scalar(name, value, record.step, walltime=record.time_s)

    def log_picture(self, picture: Picture, step: int) -> None:
        """Write a picture."""
        height, width = picture.image.shape[:2]
        image = Summary.Image(
            height=height, width=width, colorspace=3, encoded_image_string=picture.png
        )
        summary = Summary(value=[Summary.Value(tag=picture.name, image=image)])
        self._events.add_summary(summary, step)

    def log_table(self, table: Table, step: int) -> None:
        """Write a table as text; a confusion matrix is there as a picture."""
        if table.chart != "matrix":
            self._writer.add_text(table.name, markdown_table(table), step)

    def log_checkpoint(self, path: Path) -> None:
        """Do nothing: TensorBoardDashboard keeps no files."""

    def finish(self, status: str) -> None:
        """Write what is left."""
        self._writer.close()


def markdown_table(table: Table) -> str:
    """Return a table in Markdown, its first hundred rows."""
    lines = [table.columns, ["---"] * len(table.columns), *table.rows[:_MOST_ROWS]]
    return "\n".join("| " + " | ".join(map(_cell_text, line)) + " |" for line in lines)


def _cell_text(cell: Cell) -> str:
    if cell is None:
        return ""
    return f"{cell:.4f}" if isinstance(cell, float) else str(cell).replace("|", "\\|")
