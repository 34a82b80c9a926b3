"""The loggers of a run: made before it, ended after it, whatever they do."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger

from outtake.config.instantiate import instantiate
from outtake.core.redact import redact_tree
from outtake.runs.dashboards.protocol import FlatConfig
from outtake.runs.dashboards.queued_logger import DashboardLogger
from outtake.runs.loggers import JsonlLogger
from outtake.runs.run_folder import RunFolder

# A run that was told to end shall be gone soon.
_INTERRUPTED_TIMEOUT_S = 5.0


def make_loggers(cfg: DictConfig, folder: RunFolder) -> list[Logger]:
    """Make the loggers that the config names, ``metrics.jsonl`` always; nothing is written yet.

    Raises:
        ConfigError: an option that a dashboard does not have.
    """
    named = cfg.get("logger") or {}
    made = [instantiate(node, run_dir=folder.path) for node in named.values()]
    return [JsonlLogger(folder.metrics), *(logger for logger in made if logger is not None)]


@contextmanager
def dashboard_session(
    loggers: Sequence[Logger], cfg: DictConfig, folder: RunFolder
) -> Iterator[None]:
    """Around a fit: tell the dashboards the config, and end them, whatever they do."""
    dashboards = [logger for logger in loggers if isinstance(logger, DashboardLogger)]
    settings = flat_config(cfg)
    for dashboard in dashboards:
        dashboard.log_hyperparams(dict(settings))
    status, most_s = "failed", float("inf")
    try:
        yield
        status = "finished"
        best = folder.checkpoints / "best.ckpt"
        for dashboard in dashboards if best.is_file() else ():
            dashboard.log_checkpoint(best)
    except (KeyboardInterrupt, SystemExit):
        status, most_s = "killed", _INTERRUPTED_TIMEOUT_S
        raise
    finally:
        for dashboard in dashboards:
            dashboard.close(status)
        # They end beside each other, so that two that hang take no longer than one.
        began_s = time.monotonic()
        for dashboard in dashboards:
            limit_s = min(dashboard.finish_timeout_s, most_s)
            dashboard.join(limit_s - (time.monotonic() - began_s))


def flat_config(cfg: DictConfig) -> FlatConfig:
    """Return a config flat, unresolved, secrets hidden: ``optimizer.lr`` and so on."""
    flat: dict[str, Any] = {}
    _flatten(redact_tree(OmegaConf.to_container(cfg, resolve=False)), "", flat)
    return flat


def _flatten(node: Any, key: str, flat: dict[str, Any]) -> None:
    if isinstance(node, Mapping) and node:
        for name, value in node.items():
            _flatten(value, f"{key}.{name}" if key else str(name), flat)
    elif isinstance(node, Mapping | list | tuple):
        flat[key] = json.dumps(node, default=str)
    else:
        flat[key] = node
