"""The loggers of a run: made before it, ended after it, whatever they do."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger

from outtake.config.instantiate import instantiate, readable_config, select_entries
from outtake.core.redact import redact_tree
from outtake.core.trees import flatten
from outtake.runs.dashboards.protocol import Dashboard, FlatConfig
from outtake.runs.dashboards.queued_logger import DashboardLogger
from outtake.runs.jsonl_logger import JsonlLogger
from outtake.runs.run_folder import RunFolder

log = logging.getLogger(__name__)

_FINISH_TIMEOUT_S = 30.0
# A run that was asked to end must be gone soon.
_INTERRUPTED_TIMEOUT_S = 5.0


def make_loggers(cfg: Any, folder: RunFolder) -> list[Logger]:
    """Make ``metrics.jsonl`` and the dashboards that the config names; nothing is written yet.

    A dashboard that is not installed costs one line.

    Args:
        cfg: The composed config.
        folder: The run folder.

    Raises:
        ConfigError: A dashboard does not have an option, or cannot work with it.
    """
    loggers: list[Logger] = [JsonlLogger(folder.metrics)]
    for name, node in select_entries(cfg.get("logger"), "logger").items():
        logger = _make_dashboard_logger(name, node, folder.path)
        if logger is not None:
            loggers.append(logger)
    return loggers


def _make_dashboard_logger(
    name: str, node: Mapping[str, Any], run_dir: Path
) -> DashboardLogger | None:
    options = {key: value for key, value in node.items() if key != "finish_timeout_s"}
    dashboard: Dashboard = instantiate(options, run_dir=run_dir)
    try:
        dashboard.load()
    except ImportError as error:
        reason = f"is not installed ({error}): pip install {dashboard.packages}"
    except Exception as error:  # a broken installation may raise anything
        message = " ".join(str(error).split())
        reason = f"cannot be imported ({type(error).__name__}: {message})"
    else:
        timeout_s = float(node.get("finish_timeout_s", _FINISH_TIMEOUT_S))
        return DashboardLogger(name, dashboard, finish_timeout_s=timeout_s)
    log.warning(f"{name} {reason}; the run continues without it, metrics.jsonl has everything")
    return None


@contextmanager
def dashboard_session(loggers: Sequence[Logger], cfg: Any, folder: RunFolder) -> Iterator[None]:
    """Give the dashboards the config before a fit, and end them after it, whatever they do."""
    dashboards = [logger for logger in loggers if isinstance(logger, DashboardLogger)]
    config = flat_config(cfg)
    for dashboard in dashboards:
        dashboard.log_hyperparams(dict(config))
    status, max_timeout_s = "failed", float("inf")
    try:
        yield
        status = "finished"
        best = folder.checkpoints / "best.ckpt"
        for dashboard in dashboards if best.is_file() else ():
            dashboard.log_checkpoint(best)
    except (KeyboardInterrupt, SystemExit):
        status, max_timeout_s = "killed", _INTERRUPTED_TIMEOUT_S
        raise
    finally:
        for dashboard in dashboards:
            dashboard.close(status)
        # They end at the same time, so that two that hang take no longer than one.
        start_s = time.monotonic()
        for dashboard in dashboards:
            limit_s = min(dashboard.finish_timeout_s, max_timeout_s)
            dashboard.join(limit_s - (time.monotonic() - start_s))


def flat_config(cfg: Any) -> FlatConfig:
    """Return a config flat, as ``optimizer.lr``: resolved but for paths, secrets hidden."""
    plain = redact_tree(readable_config(cfg))
    return {
        key: json.dumps(value, default=str) if isinstance(value, Mapping | list) else value
        for key, value in flatten(plain).items()
    }
