"""The number of processes of a run, and what is refused with one line."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from omegaconf import DictConfig

from outtake.config.compose import compose
from outtake.config.instantiate import resolve_config
from outtake.core.errors import ConfigError, DeviceError, OuttakeError
from outtake.programs.command_line import explain_error
from outtake.programs.evaluate import evaluate
from outtake.programs.train import train
from outtake.programs.trainer_setup import make_trainer
from outtake.runs.run_folder import RunFolder
from outtake.training.distributed.ddp import DDP
from outtake.training.distributed.fsdp import FSDP
from outtake.training.distributed.launch_environment import (
    check_devices,
    check_multirun_devices,
    global_rank,
)

TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "x",
    "LOCAL_WORLD_SIZE": "2",
    "WORLD_SIZE": "4",
    "RANK": "3",
    "LOCAL_RANK": "1",
}
SRUN = {
    "SLURM_JOB_ID": "9",
    "SLURM_STEP_ID": "0",
    "SLURM_NTASKS": "4",
    "SLURM_NTASKS_PER_NODE": "2",
    "SLURM_NNODES": "2",
    "SLURM_PROCID": "2",
}
SUBMITIT = {
    "SUBMITIT_EXECUTOR": "local",
    "SUBMITIT_LOCAL_NTASKS": "2",
    "SUBMITIT_LOCAL_GLOBALID": "1",
    "SUBMITIT_LOCAL_JOB_ID": "1",
    "SUBMITIT_LOCAL_LOCALID": "1",
}


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """Restore the log level that a rank after the first raises in this process."""
    package = logging.getLogger("outtake")
    level = package.level
    yield
    package.setLevel(level)


def composed(*overrides: str) -> DictConfig:
    return compose("train", ["trainer.accelerator=cpu", *overrides])


def put(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for key, value in environment.items():
        monkeypatch.setenv(key, value)


@pytest.mark.parametrize(
    ("environment", "launcher", "processes", "nodes", "rank"),
    [
        ({}, None, 1, 1, 0),
        (TORCHRUN, "torchrun", 2, 2, 3),
        (SRUN, "srun", 2, 2, 2),
        (SUBMITIT, "submitit", 2, 1, 1),
        ({"OUTTAKE_RANKS": "3", "RANK": "2"}, "outtake train", 3, 1, 2),
        # A batch script without srun is one process, whatever was asked for.
        ({"SLURM_JOB_ID": "9", "SLURM_NTASKS": "4"}, None, 1, 1, 0),
    ],
)
def test_the_environment_tells_how_many_processes_there_are(
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    launcher: str | None,
    processes: int,
    nodes: int,
    rank: int,
) -> None:
    put(monkeypatch, environment)
    world = check_devices(resolve_config(composed("trainer=ddp")))
    assert (world.launcher, world.processes_per_node, world.nodes) == (launcher, processes, nodes)
    assert global_rank() == rank


def test_strategies_are_built_for_several_processes_and_for_one_there_is_none(
    tmp_path: Path,
) -> None:
    kinds = {"ddp": DDP, "fsdp": FSDP}
    for name, kind in kinds.items():
        two = make_trainer(
            composed(f"trainer={name}", "trainer.devices=2", "callbacks=none"), RunFolder(tmp_path)
        )
        assert isinstance(two.strategy, kind) and two.world_size == 2
        one = make_trainer(composed(f"trainer={name}", "callbacks=none"), RunFolder(tmp_path))
        assert not isinstance(one.strategy, kind) and one.world_size == 1


BAD = {
    "several without a strategy": (["trainer.devices=2"], {}, "trainer=ddp"),
    "a strategy by name": (["+trainer.strategy=ddp_spawn"], {}, "choose trainer=ddp"),
    "torchrun for one": ([], TORCHRUN, "torchrun has started 4 processes"),
    "other devices than started": (["trainer=ddp", "trainer.devices=3"], TORCHRUN, "at auto"),
    "machines without a launcher": (["trainer=ddp", "trainer.num_nodes=2"], {}, "srun or torchrun"),
    "no number": (["trainer=ddp", "trainer.devices=many"], {}, "allowed are auto"),
    "no device": (["trainer=ddp", "trainer.devices=0"], {}, "1 or more"),
    "numbers of processors": (["trainer=ddp", "trainer.devices=[0,1]"], {}, "no numbers"),
    "a small batch": (
        ["trainer=ddp", "trainer.devices=3", "data.batch_size=2"],
        {},
        "set 3 or more",
    ),
    "an average of parts": (
        ["trainer=fsdp", "trainer.devices=2", "callbacks=ema"],
        {},
        "trainer=fsdp divides",
    ),
    "a teacher of parts": (
        ["trainer=fsdp", "trainer.devices=2", "supervision=unimatch"],
        {},
        "trainer=fsdp divides",
    ),
    "tasks of any machine": (
        ["trainer=ddp"],
        {key: value for key, value in SRUN.items() if "PER_NODE" not in key},
        "--ntasks-per-node",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_work_is_one_line(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    overrides, environment, said = BAD[case]
    put(monkeypatch, environment)
    with pytest.raises(OuttakeError) as caught:
        check_devices(resolve_config(composed(*overrides)))
    line = explain_error(caught.value)
    assert said in line and "\n" not in line and caught.value.exit_code == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_devices_that_are_not_there_are_refused() -> None:
    with pytest.raises(DeviceError, match="no CUDA device"):
        check_devices(resolve_config(compose("train", ["trainer=ddp", "trainer.accelerator=gpu"])))


def test_a_call_of_train_is_one_process(runs: ModuleType, pairs: Path, tmp_path: Path) -> None:
    given = [*runs.options(pairs), "trainer=ddp", "trainer.devices=2"]
    with pytest.raises(ConfigError, match="a call of train"):
        train(compose("train", given), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_multirun_may_have_several_processes_only_if_its_launcher_starts_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    several = resolve_config(composed("trainer=ddp", "trainer.devices=2").trainer)
    with pytest.raises(ConfigError, match="submitit_slurm"):
        check_multirun_devices(several)
    put(monkeypatch, SUBMITIT)
    check_multirun_devices(several)
    with pytest.raises(ConfigError, match="one device a job"):
        check_multirun_devices(resolve_config(composed("trainer.devices=2").trainer))


def test_scoring_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, TORCHRUN)
    with pytest.raises(ConfigError, match="outtake evaluate is one process, and torchrun"):
        evaluate(compose("evaluate", ["checkpoint=x"]))
