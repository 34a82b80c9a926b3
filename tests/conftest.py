"""What every test shares: no network, no dashboards, real data where it is."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from outtake.core.cpu import usable_processors
from tests.composed_once import composed_once
from tests.small_run import SMALL

ROOT = Path(__file__).resolve().parents[1]

for _variable in ("WANDB_API_KEY", "WANDB_MODE", "OUTTAKE_ALLOW_TARGETS", "OUTTAKE_RUNS"):
    os.environ.pop(_variable, None)
os.environ["WANDB_DIR"] = os.environ.get("TMPDIR", "/tmp")
os.environ["HYDRA_FULL_ERROR"] = "1"
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # tests import it before the package does
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As shells start what runs in the background; Ctrl-C would end nothing that is tested.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """Start one process more than there are processors: some wait for programs of their tests."""
    return usable_processors() + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files of the longer proofs: several processes would wait for a last one."""
    longer = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in longer)


def pytest_runtest_setup() -> None:
    """Let runs say the time of 3 forward passes at their end, not of 20."""
    measured = sys.modules.get("outtake.training.forward_time")
    if measured is not None:
        vars(measured)["MAX_RUNS"] = 3


def pytest_collection_finish() -> None:
    """Let the collector of cycles pass over what was imported and collected: it stays anyway."""
    gc.collect()
    gc.freeze()


class NetworkUsedError(AssertionError):
    """A test, or a library under it, tried to reach another machine."""


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail on any connection that leaves this machine; loopback stays."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if self.family != socket.AF_UNIX and host not in ("127.0.0.1", "::1", "localhost"):
            raise NetworkUsedError(f"connection to {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def _heard_loggers() -> Iterator[None]:
    """Let records reach the next test's ``caplog``, whatever a program has set up in this one."""
    yield
    logging.getLogger().setLevel(logging.WARNING)  # Hydra raises it, and disables all loggers
    package = logging.getLogger("outtake")
    package.propagate, package.handlers = True, []
    package.setLevel(logging.NOTSET)
    for name, logger in logging.Logger.manager.loggerDict.items():
        if name.startswith("outtake") and isinstance(logger, logging.Logger):
            logger.disabled = False


@pytest.fixture(scope="session", autouse=True)
def _without_waiting() -> Iterator[None]:
    """Spare tests in this process what takes time and proves nothing; programs do all of it.

    Options of groups are composed once, and nothing waits for the disk: no power cut is tried.
    """
    with composed_once(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda handle: None)
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data; tests skip where it is absent."""
    root = Path(os.environ.get("OUTTAKE_DATA") or ROOT.parent / "shared" / "data")
    if not root.is_dir():
        pytest.skip(f"real data is not at {root}; set OUTTAKE_DATA")
    return root


@pytest.fixture(scope="session")
def camvid_root(real_data: Path) -> Path:
    """CamVid, or skip."""
    if not (real_data / "camvid").is_dir():
        pytest.skip(f"{real_data} has no camvid")
    return real_data / "camvid"


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of two short epochs on the scenes."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    from outtake.config.compose import compose
    from outtake.programs.train import train

    train(compose("train", SMALL), folder, SMALL)
    return folder


@pytest.fixture(scope="session")
def runs() -> ModuleType:
    """The runs of a second of ``benchmarks/reliability/runs.py``."""
    from benchmarks.reliability import runs

    return runs


@pytest.fixture(scope="session")
def pairs(runs: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tiny images and masks."""
    return runs.write_data(tmp_path_factory.mktemp("pairs") / "data")


@pytest.fixture(scope="session")
def tiny_run(runs: ModuleType, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder that took a second."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    from outtake.config.compose import compose
    from outtake.programs.train import train

    overrides = runs.options(pairs)
    train(compose("train", overrides), folder, overrides)
    return folder
