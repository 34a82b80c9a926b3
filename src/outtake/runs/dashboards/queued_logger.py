"""A logger that a run does not depend on: whatever its dashboard does, training goes on."""

from __future__ import annotations

import logging
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from outtake.core.redact import redact
from outtake.runs.dashboards.bounded_queue import BoundedQueue
from outtake.runs.dashboards.protocol import Dashboard, ScalarRecord
from outtake.training.media import Media, Picture

log = logging.getLogger(__name__)

_MAX_BATCH = 200
# A transaction for each record would cost a training on few cores several per cent of its time.
_LINGER_S = 2.0
_SCALAR_BYTES = 200
_MAX_ERROR_CHARS = 200

Call = ScalarRecord | Callable[[Dashboard], None]


class DashboardLogger(Logger):
    """Hands everything to a dashboard that lives in a thread of its own.

    A dashboard that raises, wherever, is reported in one line and left alone from then on. One
    that hangs fills its backlog, which is bounded, and costs the run nothing until its end, and
    there no more than ``finish_timeout_s``; what it did not take is counted in one line.

    Args:
        name: of the dashboard.
        start: makes the dashboard; called in the thread, which begins with the first that is
            handed over, and so in the first of several processes only.
        version: the run's name.
        finish_timeout_s: how long the end of the run waits for it.
        queue: what may wait for it.
    """

    def __init__(
        self,
        name: str,
        start: Callable[[], Dashboard],
        *,
        version: str = "",
        finish_timeout_s: float = 30.0,
        queue: BoundedQueue[Call] | None = None,
    ) -> None:
        super().__init__()
        self.finish_timeout_s = finish_timeout_s
        self._name = name
        self._version = version
        self._start = start
        self._queue = BoundedQueue[Call]() if queue is None else queue
        self._dropped = 0
        self._in_progress = 0
        self._status = "failed"
        self._broken = False
        self._reported = False
        self._thread = threading.Thread(
            target=self._work, name=f"outtake-dashboard-{name}", daemon=True
        )

    @property
    def name(self) -> str:
        """The dashboard's."""
        return self._name

    @property
    def version(self) -> str:
        """The run's name."""
        return self._version

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Hand over one record."""
        values = {
            key: float(value.item() if isinstance(value, torch.Tensor) else value)
            for key, value in metrics.items()
        }
        record = ScalarRecord(step or 0, time.time(), values)
        self._enqueue(record, _SCALAR_BYTES * len(values))

    @rank_zero_only
    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any
    ) -> None:
        """Hand over the config, flat, in which secrets are hidden already."""
        settings = dict(params) if isinstance(params, Mapping) else vars(params)
        self._enqueue(lambda dashboard: dashboard.log_config(settings))

    @rank_zero_only
    def log_checkpoint(self, path: Path) -> None:
        """Hand over the best checkpoint."""
        self._enqueue(lambda dashboard: dashboard.log_checkpoint(path))

    @rank_zero_only
    def log_media(self, media: Media, step: int) -> None:
        """Hand over a picture, made small enough for a browser, or a table."""
        if isinstance(media, Picture):
            media = media.for_dashboard
        self._enqueue(lambda dashboard: _log_media(dashboard, media, step), media.size_bytes())

    def close(self, status: str) -> None:
        """Say that nothing more comes, without waiting.

        Args:
            status: ``finished``, ``failed`` or ``killed``.
        """
        self._status = status
        self._queue.close()

    def join(self, timeout_s: float) -> None:
        """After :meth:`close`: wait for the dashboard, and say if it has not everything."""
        if self._thread.ident is None:
            return
        self._thread.join(max(timeout_s, 0.0))
        if self._broken or self._reported:
            return
        if self._thread.is_alive():
            self._reported = True
            left = self._dropped + len(self._queue) + self._in_progress
            log.warning(
                f"{self._name} did not end in time: about {left} records and pictures are not in "
                "it; metrics.jsonl and images/ have everything"
            )
            self._queue.clear()
        elif self._dropped:
            self._reported = True
            log.warning(
                f"{self._name} was too slow: {self._dropped} records and pictures are not in it; "
                "metrics.jsonl and images/ have everything"
            )

    def _enqueue(self, call: Call, size_bytes: int = 0) -> None:
        if self._thread.ident is None:
            self._thread.start()
        if not self._queue.put(call, size_bytes) and not self._broken:
            self._dropped += 1

    def _work(self) -> None:
        try:
            dashboard = self._start()
            while calls := self._queue.get_batch(_MAX_BATCH, _LINGER_S):
                self._in_progress = len(calls)
                _run_calls(dashboard, calls)
                self._in_progress = 0
            dashboard.finish(self._status)
        except BaseException as error:  # a library may call sys.exit, too
            self._broken = True
            self._queue.clear()
            said = " ".join(redact(str(error)).split())[:_MAX_ERROR_CHARS]
            log.warning(
                f"{self._name} failed and is left alone ({type(error).__name__}: {said}); "
                "metrics.jsonl and images/ have everything"
            )


def _run_calls(dashboard: Dashboard, calls: list[Call]) -> None:
    """Do calls in order; records that follow each other go together, which SQLite likes."""
    for together, group in groupby(calls, key=lambda call: isinstance(call, ScalarRecord)):
        if together:
            dashboard.log_scalars([call for call in group if isinstance(call, ScalarRecord)])
        else:
            for call in group:
                if not isinstance(call, ScalarRecord):
                    call(dashboard)


def _log_media(dashboard: Dashboard, media: Media, step: int) -> None:
    if isinstance(media, Picture):
        dashboard.log_picture(media, step)
    else:
        dashboard.log_table(media, step)
