"""Where metrics go: the JSON lines that are always written, and the dashboards beside them."""

from __future__ import annotations

import json
import logging
import os
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from outtake.core.errors import ConfigError
from outtake.core.files import finite, replace_file
from outtake.runs.dashboards.protocol import Dashboard
from outtake.runs.dashboards.queued_logger import DashboardLogger
from outtake.training.media import Media, Picture

log = logging.getLogger(__name__)


class JsonlLogger(Logger):
    """Append every record to ``metrics.jsonl``: one object a line, flushed as it is written.

    Keys are ``step``, ``epoch``, ``time_s`` (seconds since the epoch) and the metrics, named
    ``split/name``. A run that goes on from a checkpoint goes on in the same file: what was logged
    after the checkpoint is cut off, since those steps are done, and logged, again.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    @property
    def name(self) -> str:
        """The file's name."""
        return self._path.name

    @property
    def version(self) -> str:
        """The run's name."""
        return self._path.parent.name

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Append one line."""
        plain = {key: _to_float(value) for key, value in metrics.items()}
        epoch = plain.pop("epoch", None)
        record: dict[str, Any] = {"step": step, "epoch": None if epoch is None else int(epoch)}
        record |= {"time_s": round(time.time(), 3), **plain}
        with self._path.open("a") as file:
            file.write(json.dumps(finite(record)) + "\n")

    def state_dict(self) -> dict[str, int]:
        """Return how many bytes are written, after they have reached the disk."""
        if not self._path.is_file():
            return {"bytes": 0}
        with self._path.open("rb+") as file:
            os.fsync(file.fileno())
            return {"bytes": file.seek(0, os.SEEK_END)}

    @rank_zero_only
    def load_state_dict(self, state: dict[str, int]) -> None:
        """Cut off what was logged after :meth:`state_dict`."""
        written = self._path.stat().st_size if self._path.is_file() else 0
        if written < state["bytes"]:
            log.warning(
                f"{self._path} has lost records that the checkpoint was saved after: "
                f"{written} bytes of {state['bytes']} are there; the run goes on without them"
            )
        elif written > state["bytes"]:
            os.truncate(self._path, state["bytes"])

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *_: Any, **__: Any) -> None:
        """Do nothing: ``config.yaml`` holds them."""

    @rank_zero_only
    def log_media(self, media: Media, step: int) -> None:
        """Write a picture into ``images/``; what is in a table is in the run folder already."""
        if isinstance(media, Picture):
            target = self._path.parent / "images" / media.file
            replace_file(target, lambda file: file.write(media.png))


def _to_float(value: float | torch.Tensor) -> float:
    return float(value.item()) if isinstance(value, torch.Tensor) else float(value)


def tensorboard(run_dir: Path, finish_timeout_s: float = 30.0) -> Logger | None:
    """Return a logger that writes ``tensorboard/`` in the run folder.

    Args:
        run_dir: the run folder.
        finish_timeout_s: how long the end of the run waits for it, as for every dashboard.
    """

    def make() -> Callable[[], Dashboard]:
        from outtake.runs.dashboards.tensorboard import TensorBoardDashboard

        return lambda: TensorBoardDashboard(run_dir)

    return _make_logger("tensorboard", run_dir, make, finish_timeout_s, "tensorboard")


def wandb(
    run_dir: Path,
    project: str = "outtake",
    entity: str | None = None,
    mode: str = "auto",
    log_model: str = "best",
    finish_timeout_s: float = 60.0,
) -> Logger | None:
    """Return a logger that writes ``wandb/`` in the run folder.

    Args:
        run_dir: the run folder.
        project: on the server.
        entity: user or team on the server.
        mode: ``online``, ``offline``, or ``auto``: online when ``WANDB_API_KEY`` is set.
        log_model: ``best`` makes the best checkpoint an artifact, ``none`` does not.
        finish_timeout_s: how long the end of the run waits for it, uploads included.
    """
    _check_choice("logger.wandb.mode", mode, ("auto", "online", "offline", "disabled"))
    _check_choice("logger.wandb.log_model", log_model, ("best", "none"))

    def make() -> Callable[[], Dashboard]:
        from outtake.runs.dashboards.wandb import WandbDashboard

        return lambda: WandbDashboard(run_dir, project, entity, mode, log_model)

    return _make_logger("wandb", run_dir, make, finish_timeout_s, "wandb")


def mlflow(
    run_dir: Path,
    experiment: str = "outtake",
    folder: str | Path | None = None,
    uri: str | None = None,
    finish_timeout_s: float = 30.0,
) -> Logger | None:
    """Return a logger that writes a SQLite file which many runs share.

    Args:
        run_dir: the run folder.
        experiment: the name under which runs are gathered.
        folder: of ``mlflow.db`` and ``mlflow/``; None is beside the run folder.
        uri: another store, instead of the SQLite file.
        finish_timeout_s: how long the end of the run waits for it.
    """
    place = run_dir.parent if folder is None else Path(folder).expanduser()

    def make() -> Callable[[], Dashboard]:
        from outtake.runs.dashboards.mlflow import MlflowDashboard

        return lambda: MlflowDashboard(run_dir, experiment, place, uri)

    packages = "mlflow-skinny sqlalchemy alembic"
    return _make_logger("mlflow", run_dir, make, finish_timeout_s, packages)


def trackio(
    run_dir: Path,
    project: str = "outtake",
    folder: str | Path | None = None,
    finish_timeout_s: float = 30.0,
) -> Logger | None:
    """Return a logger that writes trackio's files in a folder which many runs share.

    Args:
        run_dir: the run folder.
        project: the name under which runs are gathered.
        folder: of its files; None is ``trackio/`` beside the run folder. The first run of a
            process settles it for those that follow.
        finish_timeout_s: how long the end of the run waits for it.
    """
    place = run_dir.parent / "trackio" if folder is None else Path(folder).expanduser()

    def make() -> Callable[[], Dashboard]:
        from outtake.runs.dashboards.trackio import TrackioDashboard, import_trackio

        client = import_trackio(place)
        return lambda: TrackioDashboard(client, run_dir, project)

    return _make_logger("trackio", run_dir, make, finish_timeout_s, "trackio")


def _make_logger(
    name: str,
    run_dir: Path,
    make: Callable[[], Callable[[], Dashboard]],
    finish_timeout_s: float,
    packages: str,
) -> Logger | None:
    """Import what a dashboard needs here and start it in its thread; None if it is not there.

    Processes are forked while the thread is at work: what is being imported then would stay
    locked in them.
    """
    try:
        start = make()
        return DashboardLogger(name, start, version=run_dir.name, finish_timeout_s=finish_timeout_s)
    except ImportError as error:
        why = f"is not installed ({error}): pip install {packages}"
    except Exception as error:  # a broken installation may raise anything
        why = f"can not be imported ({type(error).__name__}: {' '.join(str(error).split())})"
    log.warning(f"{name} {why}; the run goes on without it, metrics.jsonl has everything")
    return None


def _check_choice(key: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ConfigError(f"{key}={value}: allowed are {', '.join(allowed)}")
