"""Import optional libraries, with their telemetry switched off."""

from __future__ import annotations

import importlib
import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any
from unittest.mock import MagicMock

from outtake.core.errors import ConfigError

_TELEMETRY = "openvino_telemetry"


def import_optional(name: str, *, extra: str, required_by: str) -> Any:
    """Import a module.

    Args:
        name: The dotted name of the module.
        extra: The extra of Outtake that installs it.
        required_by: The option that needs it, as the user wrote it.

    Raises:
        ConfigError: It is not installed; the message says how to install it.
    """
    # From its import on ONNX Runtime reports, and keeps an identifier in the home folder. It reads
    # the variable once, at the import. A user who sets it otherwise has asked for that.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        with _hide_telemetry():
            return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"{required_by} needs {name.split('.')[0]}, which cannot be imported ({error}); "
            f"pip install 'outtake[{extra}]'"
        ) from error


def import_nncf(required_by: str) -> Any:
    """Import NNCF, for use inside :func:`silence_output`."""
    nncf = import_optional("nncf", extra="openvino", required_by=required_by)
    logging.getLogger("nncf").setLevel(logging.ERROR)
    # If NNCF was imported before, its telemetry is on.
    decorator: Any = importlib.import_module("nncf.telemetry.decorator")
    decorator.telemetry = MagicMock()
    return nncf


@contextmanager
def silence_output() -> Iterator[None]:
    """Suppress progress bars on stdout, and warnings such as that of a missing CUDA compiler."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(level)


@contextmanager
def _hide_telemetry() -> Iterator[None]:
    # OpenVINO and NNCF report every conversion to a web service, by default and without asking,
    # and write an identifier into the home folder. If the package that does so cannot be
    # imported, they use stubs of their own; None in sys.modules makes an import fail.
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_telemetry(name)}
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[_TELEMETRY]
        sys.modules.update(hidden)


def _is_telemetry(name: str) -> bool:
    return name == _TELEMETRY or name.startswith(_TELEMETRY + ".")
