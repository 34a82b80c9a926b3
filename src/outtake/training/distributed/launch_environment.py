"""The processes of a run: how many there are, what started them, and what cannot work."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment

from outtake.core.device import resolve_device
from outtake.core.errors import ConfigError, DeviceError

# Set for the processes that outtake train starts itself, see outtake.training.distributed.launcher.
LAUNCHED_RANKS = "OUTTAKE_RANKS"
_SUBMITIT_PREFIX = "SUBMITIT_LOCAL_"


@dataclass(frozen=True)
class Launch:
    """What has started this process.

    Attributes:
        launcher: ``torchrun``, ``srun``, ``submitit`` or ``outtake train``.
        local: The number of processes on each machine.
        nodes: The number of machines.
    """

    launcher: str
    local: int
    nodes: int

    @property
    def world_size(self) -> int:
        """The number of processes on all machines."""
        return self.local * self.nodes


@dataclass(frozen=True)
class DistributedEnv:
    """The processes of one run.

    Attributes:
        processes_per_node: The number of processes on each machine.
        nodes: The number of machines.
        launcher: What started this process as one of several: ``torchrun``, ``srun``, ``submitit``
            or ``outtake train``; None where nothing has.
        devices: What the trainer takes for ``devices``.
        uses_gpu: Whether each process has a CUDA device.
    """

    processes_per_node: int
    nodes: int = 1
    launcher: str | None = None
    devices: Any = 1
    uses_gpu: bool = False

    @property
    def world_size(self) -> int:
        """The number of processes on all machines."""
        return self.processes_per_node * self.nodes


def global_rank() -> int:
    """Return the number of this process in its run, as its launcher says; 0 without one."""
    launch = _detect_launch()
    key = {"srun": "SLURM_PROCID", "submitit": _SUBMITIT_PREFIX + "GLOBALID"}
    return 0 if launch is None else int(os.environ.get(key.get(launch.launcher, "RANK"), 0))


def cluster_environment(env: DistributedEnv) -> ClusterEnvironment:
    """Return what tells Lightning its rank; the signals of SLURM are handled here, not there."""
    if env.launcher == "srun":
        return SLURMEnvironment(auto_requeue=False)
    if env.launcher == "torchrun":
        return TorchElasticEnvironment()
    if env.launcher == "submitit":
        # Its tasks are on this machine; the number of the job makes a port that all of them know.
        os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
        job = int(os.environ[_SUBMITIT_PREFIX + "JOB_ID"])
        os.environ.setdefault("MASTER_PORT", str(20000 + job % 40000))
        os.environ["LOCAL_RANK"] = os.environ[_SUBMITIT_PREFIX + "LOCALID"]
    return LightningEnvironment()


def check_devices(cfg: Mapping[str, Any]) -> DistributedEnv:
    """Refuse what cannot work on this machine; return the processes of the run.

    Args:
        cfg: The resolved config of a run.

    Raises:
        DeviceError: The accelerator is not there, or fewer devices than asked for are.
        ConfigError: There are several devices without a strategy, or one that cannot work.
    """
    trainer = cfg["trainer"]
    accelerator = str(trainer.get("accelerator", "auto"))
    if accelerator in ("gpu", "cuda"):
        resolve_device("cuda")
    elif accelerator not in ("auto", "cpu", "mps"):
        raise DeviceError(
            f"trainer.accelerator={accelerator}: allowed are auto, cpu, gpu, cuda and mps"
        )
    env = detect_env(trainer)
    if env.world_size == 1:
        return env
    if accelerator == "mps":
        raise DeviceError("trainer.accelerator=mps: one process only; choose trainer=default")
    batch_size = cfg["data"]["batch_size"]
    if int(batch_size) < env.world_size:
        raise ConfigError(
            f"data.batch_size={batch_size} is that of all {env.world_size} processes together: "
            f"set {env.world_size} or more"
        )
    if str(trainer["strategy"]["_target_"]).endswith(".FSDP"):
        _check_fsdp(cfg)
    return env


def check_multirun_devices(trainer: Mapping[str, Any]) -> None:
    """Refuse a multirun whose jobs need several processes that its launcher has not started.

    A process of a job would be started with the command line of this one, which is that of the
    whole multirun.

    Args:
        trainer: The resolved config of the trainer.

    Raises:
        ConfigError: There is more than one device or machine.
    """
    devices, launch = trainer.get("devices", 1), _detect_launch()
    one_device = devices in (1, "1") or (isinstance(devices, list) and len(devices) == 1)
    if one_device and trainer.get("num_nodes", 1) in (1, "1", "auto"):
        return
    if _has_strategy(trainer) and launch is not None and launch.world_size > 1:
        return
    raise ConfigError(
        f"trainer.devices={devices} in a multirun: one device a job; allowed are 1 and [ID], or "
        "hydra/launcher=submitit_slurm with hydra.launcher.tasks_per_node=N, which starts a "
        "process for each device"
    )


def require_single_process(program_name: str) -> None:
    """Raise a ConfigError in a program that is one process, if it was started as several."""
    launch = _detect_launch()
    if launch is not None and launch.world_size > 1:
        raise ConfigError(
            f"{program_name} is one process, and {launch.launcher} has started "
            f"{launch.world_size}; start it alone"
        )


def detect_env(trainer: Mapping[str, Any]) -> DistributedEnv:
    """Return the processes that a config means, here and now.

    Args:
        trainer: The resolved config of the trainer.

    Raises:
        ConfigError, DeviceError: As in :func:`check_devices`.
    """
    launch = _detect_launch()
    if launch is not None and launch.world_size == 1:
        launch = None
    if _has_strategy(trainer):
        return _detect_several(trainer, launch)
    strategy = trainer.get("strategy", "auto")
    if strategy not in (None, "auto"):
        raise ConfigError(f"trainer.strategy={strategy}: choose trainer=ddp or trainer=fsdp")
    if launch is not None:
        raise ConfigError(
            f"{launch.launcher} has started {launch.world_size} processes and this trainer is for "
            "one: choose trainer=ddp or trainer=fsdp, or start one"
        )
    devices = trainer.get("devices", 1)
    single = devices in (1, "1", "auto") or (isinstance(devices, list) and len(devices) == 1)
    if not single or trainer.get("num_nodes", 1) not in (1, "1"):
        raise ConfigError(
            f"trainer.devices={devices}: one device a run; allowed are 1 and [ID]; several "
            "work together with trainer=ddp"
        )
    return DistributedEnv(1, devices=1 if devices == "auto" else devices)


def _detect_several(trainer: Mapping[str, Any], launch: Launch | None) -> DistributedEnv:
    nodes = trainer.get("num_nodes", "auto")
    uses_gpu = _uses_gpu(str(trainer.get("accelerator", "auto")))
    devices, count = _resolve_devices(trainer.get("devices", "auto"), launch, uses_gpu=uses_gpu)
    if launch is None:
        if nodes not in (1, "1", "auto"):
            raise ConfigError(
                f"trainer.num_nodes={nodes}: on several machines srun or torchrun starts the "
                "processes, see docs/scaling.md"
            )
        return DistributedEnv(count, devices=devices, uses_gpu=uses_gpu)
    if launch.launcher == "srun" and "SLURM_NTASKS_PER_NODE" not in os.environ:
        raise ConfigError(
            f"srun has started {launch.world_size} processes by --ntasks: give --nodes and "
            "--ntasks-per-node instead, so that each machine has as many"
        )
    if count != launch.local or nodes not in (launch.nodes, str(launch.nodes), "auto"):
        raise ConfigError(
            f"trainer.devices={devices} trainer.num_nodes={nodes}: {launch.launcher} has started "
            f"{launch.local} processes on each of {launch.nodes} machines; leave both at auto"
        )
    return DistributedEnv(launch.local, launch.nodes, launch.launcher, devices, uses_gpu)


def _resolve_devices(devices: Any, launch: Launch | None, *, uses_gpu: bool) -> tuple[Any, int]:
    """Return the devices of this machine as the trainer takes them, and how many they are."""
    visible = torch.cuda.device_count() if uses_gpu else 1
    if devices in ("auto", -1, "-1"):
        devices = count = visible if launch is None else launch.local
    elif isinstance(devices, list):
        devices = [int(device) for device in devices]
        count = len(devices)
    else:
        try:
            devices = count = int(devices)
        except ValueError as error:
            raise ConfigError(
                f"trainer.devices={devices}: allowed are auto, a number, and a list as [0,1]"
            ) from error
    if count < 1:
        raise ConfigError(f"trainer.devices={devices}: give 1 or more")
    if uses_gpu and (count > visible or (isinstance(devices, list) and max(devices) >= visible)):
        raise DeviceError(f"trainer.devices={devices}: {visible} CUDA devices are visible here")
    if isinstance(devices, list) and not uses_gpu:
        raise ConfigError(f"trainer.devices={devices}: processors have no numbers; give {count}")
    return devices, count


def _has_strategy(trainer: Mapping[str, Any]) -> bool:
    return isinstance(trainer.get("strategy"), Mapping)


def _uses_gpu(accelerator: str) -> bool:
    return accelerator in ("gpu", "cuda") or (accelerator == "auto" and torch.cuda.is_available())


def _check_fsdp(cfg: Mapping[str, Any]) -> None:
    """Refuse what needs whole weights."""
    if cfg.get("supervision"):
        raise ConfigError(
            "supervision: a teacher needs whole weights, and trainer=fsdp divides them; choose "
            "trainer=ddp, or supervision=supervised"
        )
    if str((cfg.get("optimizer") or {}).get("_target_", "")).startswith("schedulefree."):
        raise ConfigError(
            "optimizer: a schedule-free one averages whole weights, and trainer=fsdp divides them; "
            "choose trainer=ddp, or optimizer=adamw"
        )
    for name, callback in (cfg.get("callbacks") or {}).items():
        target = str((callback or {}).get("_target_", ""))
        if target.endswith(("WeightAveraging", "MovingAverage")):
            raise ConfigError(
                f"callbacks.{name}: a moving average needs whole weights, and trainer=fsdp divides "
                f"them; choose trainer=ddp, or leave it out by '~callbacks.{name}'"
            )


def _detect_launch() -> Launch | None:
    """Return what has started this process as one of several."""
    env = os.environ
    if LAUNCHED_RANKS in env:
        return Launch("outtake train", int(env[LAUNCHED_RANKS]), 1)
    if "TORCHELASTIC_RUN_ID" in env:
        local = int(env["LOCAL_WORLD_SIZE"])
        return Launch("torchrun", local, int(env["WORLD_SIZE"]) // local)
    tasks = _SUBMITIT_PREFIX + "NTASKS"
    if env.get("SUBMITIT_EXECUTOR") == "local" and tasks in env:
        return Launch("submitit", int(env[tasks]), 1)
    # A batch script has the other variables of SLURM too; the number of a step has only what srun
    # has started.
    if "SLURM_NTASKS" in env and {"SLURM_STEP_ID", "SLURM_STEPID"} & env.keys():
        nodes = int(env.get("SLURM_STEP_NUM_NODES") or env.get("SLURM_NNODES") or 1)
        return Launch("srun", int(env["SLURM_NTASKS"]) // nodes, nodes)
    return None
