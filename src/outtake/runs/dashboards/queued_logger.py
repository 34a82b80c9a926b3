"""A logger that a run does not depend on: whatever its dashboard does, training continues."""

from __future__ import annotations

import logging
import threading
import time
from argparse import Namespace
from collections import deque
from collections.abc import Callable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from outtake.core.redact import redact
from outtake.runs.dashboards.protocol import Dashboard, ScalarRecord
from outtake.training.media import Media, Picture

log = logging.getLogger(__name__)

_MAX_BATCH = 200
# A transaction for each record would cost a training on few cores several per cent of its time.
_LINGER_S = 2.0
_SCALAR_BYTES = 200
_MAX_ERROR_CHARS = 200

Call = ScalarRecord | Callable[[Dashboard], None]
Item = TypeVar("Item")


class BoundedQueue(Generic[Item]):
    """A queue between one thread that must not wait and one that may.

    Unlike ``queue.Queue`` it counts bytes, gives items in batches, and can be closed.

    Args:
        max_items: The number of items that wait at most.
        max_bytes: The number of bytes that they hold together at most.
    """

    def __init__(self, max_items: int = 10_000, max_bytes: int = 64 * 2**20) -> None:
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._waiting: deque[tuple[Item, int]] = deque()
        self._bytes = 0
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        with self._changed:
            return len(self._waiting)

    def put(self, item: Item, size_bytes: int = 0) -> bool:
        """Add an item; return False at once if there is no room or the queue is closed.

        An item that is larger than all that may wait has room if nothing else waits.
        """
        with self._changed:
            full = len(self._waiting) >= self._max_items or (
                self._waiting and self._bytes + size_bytes > self._max_bytes
            )
            if full or self._closed:
                return False
            self._waiting.append((item, size_bytes))
            self._bytes += size_bytes
            self._changed.notify()
            return True

    def get_batch(self, max_items: int, linger_s: float = 0.0) -> list[Item]:
        """Wait for items and return the first ones; none when the queue is closed and empty.

        Args:
            max_items: The number of items at most.
            linger_s: How long others may join the first item, in seconds.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self._changed.wait_for(
                lambda: len(self._waiting) >= max_items or self._closed, timeout=linger_s
            )
            batch = [self._waiting.popleft() for _ in range(min(max_items, len(self._waiting)))]
            self._bytes -= sum(size for _, size in batch)
            return [item for item, _ in batch]

    def close(self) -> None:
        """Refuse further items; those that wait can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def clear(self) -> None:
        """Close the queue and drop what waits."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._bytes = 0
            self._changed.notify()


class DashboardLogger(Logger):
    """Passes everything to a dashboard that lives in a thread of its own.

    A dashboard that raises an error is reported in one line and not called again. One that hangs
    fills its queue, which is bounded, and costs the run nothing until its end, and there no more
    than ``finish_timeout_s``; what it did not take is counted in one line.

    Args:
        name: The name of the dashboard.
        dashboard: The dashboard. Its thread begins with the first call, and so only in the first
            of several processes.
        finish_timeout_s: How long the end of the run waits for the dashboard, in seconds.
        queue: What may wait for the dashboard.
    """

    def __init__(
        self,
        name: str,
        dashboard: Dashboard,
        *,
        finish_timeout_s: float = 30.0,
        queue: BoundedQueue[Call] | None = None,
    ) -> None:
        super().__init__()
        self.finish_timeout_s = finish_timeout_s
        self._name = name
        self._dashboard = dashboard
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
        """The name of the dashboard."""
        return self._name

    @property
    def version(self) -> str:
        """Nothing: a run has a name, and Lightning would put a number into its progress bar."""
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Pass on one record."""
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
        """Pass on the config, which is flat and in which secrets are hidden already."""
        config = dict(params) if isinstance(params, Mapping) else vars(params)
        self._enqueue(lambda dashboard: dashboard.log_config(config))

    @rank_zero_only
    def log_checkpoint(self, path: Path) -> None:
        """Pass on the best checkpoint."""
        self._enqueue(lambda dashboard: dashboard.log_checkpoint(path))

    @rank_zero_only
    def log_media(self, media: Media, step: int) -> None:
        """Pass on a picture, made small enough for a browser, or a table."""
        if isinstance(media, Picture):
            media = media.for_dashboard
        self._enqueue(lambda dashboard: _log_media(dashboard, media, step), media.size_bytes())

    def close(self, status: str) -> None:
        """End the log without waiting.

        Args:
            status: ``finished``, ``failed`` or ``killed``.
        """
        self._status = status
        self._queue.close()

    def join(self, timeout_s: float) -> None:
        """Wait for the dashboard after :meth:`close`, and warn if it has not taken everything."""
        if self._thread.ident is None:
            return
        self._thread.join(max(timeout_s, 0.0))
        if self._broken or self._reported:
            return
        if self._thread.is_alive():
            self._reported = True
            missing = self._dropped + len(self._queue) + self._in_progress
            log.warning(
                f"{self._name} did not end in time: about {missing} records and pictures are not "
                "in it; metrics.jsonl and images/ have everything"
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
            self._dashboard.start()
            while calls := self._queue.get_batch(_MAX_BATCH, _LINGER_S):
                self._in_progress = len(calls)
                _run_calls(self._dashboard, calls)
                self._in_progress = 0
            self._dashboard.finish(self._status)
        except BaseException as error:  # a library may call sys.exit, too
            self._broken = True
            self._queue.clear()
            message = " ".join(redact(str(error)).split())[:_MAX_ERROR_CHARS]
            log.warning(
                f"{self._name} failed and is not used any more ({type(error).__name__}: "
                f"{message}); metrics.jsonl and images/ have everything"
            )


def _run_calls(dashboard: Dashboard, calls: list[Call]) -> None:
    """Make calls in order; records that follow each other go together, which suits SQLite."""
    for are_scalars, group in groupby(calls, key=lambda call: isinstance(call, ScalarRecord)):
        if are_scalars:
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
