"""A small trained run that the application tests share."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from outtake.apps.config import compose
from outtake.apps.train import train

SMALL = (
    "data=scenes",
    "data.source.height=64",
    "data.source.width=96",
    "data.source.clips={train:3,val:2,test:1}",
    "data.source.frames_per_clip=4",
    "data.batch_size=4",
    "data.workers=0",
    "data.crop=[64,64]",
    "backbone=mobilenet_v2",
    "trainer.max_epochs=2",
    "trainer.accelerator=cpu",
    "callbacks=none",
    "logger=none",
)


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of two short epochs on the scenes."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    train(compose("train", SMALL), folder, SMALL)
    return folder


@pytest.fixture(scope="session")
def runs() -> ModuleType:
    """The runs of a second of ``benchmarks/reliability_runs.py``."""
    benchmarks = str(Path(__file__).resolve().parents[2] / "benchmarks")
    sys.path.insert(0, benchmarks)
    try:
        import reliability_runs
    finally:
        sys.path.remove(benchmarks)
    return reliability_runs


@pytest.fixture(scope="session")
def pairs(runs: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tiny images and masks."""
    return runs.write_data(tmp_path_factory.mktemp("pairs") / "data")


@pytest.fixture(scope="session")
def tiny_run(runs: ModuleType, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder that took a second."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    overrides = runs.options(pairs)
    train(compose("train", overrides), folder, overrides)
    return folder
