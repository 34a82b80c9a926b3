"""Secrets stay out of what Hydra itself prints and returns of a grid's jobs."""

from __future__ import annotations

import logging
from typing import Any

from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from outtake.core.redact import redact, redact_overrides


class SecretsFormatter(logging.Formatter):
    """Writes Hydra's log, which repeats the overrides of each job, with secrets hidden."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one record as text."""
        return redact(super().format(record))


class SecretsCallback(Callback):
    """Hides secrets in the overrides that Hydra prints before the error of a job."""

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Change the overrides that a job returns."""
        job_return.overrides = redact_overrides(job_return.overrides or [])
