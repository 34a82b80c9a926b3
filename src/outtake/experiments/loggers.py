"""Where metrics go: the JSON lines that are always written, and the dashboards beside them."""

from __future__ import annotations

import json
import logging
import os
import time
import warnings
from argparse import Namespace
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from outtake.files import finite

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
        plain = {key: _plain(value) for key, value in metrics.items()}
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


def _plain(value: float | torch.Tensor) -> float:
    return float(value.item()) if isinstance(value, torch.Tensor) else float(value)


def tensorboard(run_dir: Path) -> Logger:
    """Return a logger that writes ``tensorboard/`` in the run folder."""
    return TensorBoardLogger(save_dir=str(run_dir), name="", version="tensorboard")


def wandb(
    run_dir: Path, project: str = "outtake", entity: str | None = None, mode: str = "auto"
) -> Logger | None:
    """Return a logger that writes ``wandb/`` in the run folder, or None if wandb can not start.

    Args:
        run_dir: the run folder.
        project: on the server.
        entity: user or team on the server.
        mode: ``online``, ``offline``, or ``auto``: online when ``WANDB_API_KEY`` is set.
    """
    import wandb as client

    if mode == "auto":
        mode = os.environ.get("WANDB_MODE") or (
            "online" if os.environ.get("WANDB_API_KEY") else "offline"
        )
    # What wandb would gather by itself: argv, the git remote and console output may hold secrets,
    # and its machine probes ask a metadata address. environment.json has the facts, redacted.
    settings = client.Settings(
        console="off",
        disable_git=True,
        disable_code=True,
        x_disable_meta=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
        silent=True,
        init_timeout=60.0,
    )
    try:
        run = client.init(
            project=project,
            entity=entity,
            name=run_dir.name,
            dir=str(run_dir),
            mode=mode,  # type: ignore[arg-type]
            settings=settings,
            reinit="finish_previous",
        )
    except Exception as error:
        # A dashboard that is away must not cost a training run.
        warnings.warn(f"wandb did not start ({error}); metrics.jsonl has everything", stacklevel=2)
        return None
    return WandbLogger(experiment=run, save_dir=str(run_dir))
