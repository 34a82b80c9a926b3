"""Optuna's storages, samplers and pruners by name, for the driver and for the trials."""

from __future__ import annotations

import inspect
import os
import re
import warnings
from collections.abc import Generator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.pruners import BasePruner
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from outtake.core.errors import ConfigError
from outtake.core.redact import redact

JOURNAL = "journal:"
_SQLITE = "sqlite:///"
# Trials write at the same time, and SQLite makes them wait for each other.
_SQLITE_WAIT_S = 120
# What searches a list of all combinations, or takes another sampler, which no config can name.
NOT_FOR_SWEEPS = ("GridSampler", "BruteForceSampler", "PartialFixedSampler")
# Optuna imports these packages when the class chooses its first values.
_IMPORTED_LATE = {"CmaEsSampler": "cmaes"}
_ADDRESS = re.compile(r"(?s)^(?P<key>[^:]*=)?.*?(?P<kind>[\w+.-]+)://.*$")

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


class _RepairingJournalLock(JournalFileSymlinkLock):
    """The lock of a journal's writer, who first cuts off a last line that was cut short.

    When the disk is full in the middle of a line, that line and the next would become one, and
    the journal could not be read any more. Nothing depends on a line that was not written whole.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._path = path

    def acquire(self) -> bool:
        """Wait for the lock and repair the file."""
        taken = super().acquire()
        try:
            with open(self._path, "r+b") as file:
                if file.seek(0, os.SEEK_END):
                    file.seek(-1, os.SEEK_END)
                    if file.read() != b"\n":
                        file.seek(0)
                        file.truncate(file.read().rfind(b"\n") + 1)
        except BaseException:
            self.release()
            raise
        return taken


class _JournalFile(JournalFileBackend):
    """Optuna's journal, of which failures are those of a storage, as a database's are."""

    def __init__(self, path: str) -> None:
        super().__init__(path, _RepairingJournalLock(path))

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append lines.

        Raises:
            StorageInternalError: The disk is full, or the file cannot be written.
        """
        try:
            super().append_logs(logs)
        except OSError as error:
            raise StorageInternalError("the journal cannot be written") from error

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Read the lines from a number on.

        Raises:
            StorageInternalError: The file cannot be read, or is damaged.
        """
        try:
            yield from super().read_logs(log_number_from)
        except (OSError, ValueError) as error:
            raise StorageInternalError("the journal cannot be read") from error


def storage_address(storage: str, folder: Path) -> str:
    """Return the address of ``sqlite`` or ``journal`` (a file in ``folder``), or a URL as it is."""
    if storage == "sqlite":
        path = (folder / "study.db").absolute()
        if "?" in str(path):  # where an address of SQLAlchemy ends
            raise ConfigError(
                f"storage=sqlite: the folder {folder} has a ? in its name, which no SQLite address "
                "can have; name another, or set storage=journal"
            )
        return f"{_SQLITE}{path}"
    if storage == "journal":
        return f"{JOURNAL}{(folder / 'study.journal').absolute()}"
    if "://" not in storage:
        raise ConfigError(
            "storage: allowed are sqlite, journal, or the URL of a database such as "
            "postgresql://USER@HOST/NAME"
        )
    return storage


def hide_storage_address(storage: str) -> str:
    """Return a storage, or ``storage=STORAGE``, as it may be written: of a URL only the kind.

    ``postgresql://USER@HOST/NAME`` becomes ``postgresql://...``.
    """
    return _ADDRESS.sub(r"\g<key>\g<kind>://...", storage)


def open_storage(address: str, *, create: bool = True) -> BaseStorage:
    """Open a storage; ``create=False`` is quicker where it is known to exist.

    Raises:
        ConfigError: The database cannot be reached, its driver is not installed, or the journal
            cannot be written or read.
    """
    if address.startswith(JOURNAL):
        path = address.removeprefix(JOURNAL)
        try:
            return JournalStorage(_JournalFile(path))
        except (OSError, StorageInternalError) as error:
            cause = error.__cause__ or error
            reason = getattr(cause, "strerror", None) or f"damaged: {cause}"
            raise ConfigError(f"storage: {path} cannot be opened ({reason})") from error
    options: dict[str, Any] = {}
    if address.startswith("sqlite:"):
        options = {"connect_args": {"timeout": _SQLITE_WAIT_S}}
    try:
        return RDBStorage(
            address,
            engine_kwargs=options,
            skip_compatibility_check=not create,
            skip_table_creation=not create,
        )
    except Exception as error:
        # SQLAlchemy, Alembic and each driver raise errors of their own.
        reason = redact(
            " ".join(str(error).replace(address, hide_storage_address(address)).split())[:300]
        )
        raise ConfigError(f"storage: cannot be opened ({type(error).__name__}): {reason}") from (
            error
        )


def make_pruner(settings: Mapping[str, Any]) -> BasePruner:
    """Build a pruner from ``kind``, a class of ``optuna.pruners``, and its arguments."""
    pruner: BasePruner = make_by_kind(optuna.pruners, "Pruner", settings, "pruner")
    return pruner


def make_by_kind(
    module: Any, suffix: str, settings: Mapping[str, Any], where: str, **optional_arguments: Any
) -> Any:
    """Build the class ``settings["kind"]`` of a module of Optuna with the other settings.

    Args:
        module: ``optuna.samplers`` or ``optuna.pruners``.
        suffix: The end of the names of its classes.
        settings: ``kind`` and arguments.
        where: The config key, for messages.
        optional_arguments: Arguments that are passed where the class takes them.

    Raises:
        ConfigError: There is no such class, or it does not take these arguments.
    """
    arguments = dict(settings)
    kind = str(arguments.pop("kind", ""))
    names = [
        name
        for name in module.__all__
        if name.endswith(suffix) and not name.startswith("Base") and name not in NOT_FOR_SWEEPS
    ]
    if kind not in {*names, *NOT_FOR_SWEEPS}:
        raise ConfigError(f"{where}.kind={kind}: allowed are {', '.join(names)}")
    package = _IMPORTED_LATE.get(kind)
    if package is not None and find_spec(package) is None:
        raise ConfigError(f"{where}.kind={kind}: needs {package}: pip install {package}")
    target = getattr(module, kind)
    taken = inspect.signature(target).parameters
    arguments = {k: v for k, v in optional_arguments.items() if k in taken} | arguments
    for name, each in taken.items():
        is_needed = each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD
        if is_needed and name not in arguments:
            raise ConfigError(f"{where}.kind={kind}: needs {name}; add +{where}.{name}=VALUE")
    try:
        return target(**arguments)
    except (TypeError, ValueError, ImportError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"{where}: {kind}: {reason}; {where}={kind} takes its defaults"
        ) from error
