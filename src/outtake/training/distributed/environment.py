"""How many processes a run has, who starts them, and what can not work."""

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
from omegaconf import DictConfig, OmegaConf

from outtake.core.device import resolve_device
from outtake.core.errors import ConfigError, DeviceError

# Set for the processes that train.py starts itself, see outtake.training.distributed.launcher.
LAUNCHED_RANKS = "OUTTAKE_RANKS"
_SUBMITIT_PREFIX = "SUBMITIT_LOCAL_"


@dataclass(frozen=True)
class DistributedEnv:
    """The processes of one run.

    Attributes:
        processes_per_node: on each machine.
        nodes: machines.
        launcher: what started this process as one of several: ``torchrun``, ``srun``, ``submitit``
            or ``train.py``; None where nothing has.
        devices: what the trainer is told.
        uses_gpu: whether each has a CUDA device.
    """

    processes_per_node: int
    nodes: int = 1
    launcher: str | None = None
    devices: Any = 1
    uses_gpu: bool = False

    @property
    def world_size(self) -> int:
        """All processes."""
        return self.processes_per_node * self.nodes


def global_rank() -> int:
    """Return the number of this process in its run, as what started it says; 0 without that."""
    started = _detect_launcher()
    key = {"srun": "SLURM_PROCID", "submitit": _SUBMITIT_PREFIX + "GLOBALID"}
    return 0 if started is None else int(os.environ.get(key.get(started[0], "RANK"), 0))


def cluster_environment(env: DistributedEnv) -> ClusterEnvironment:
    """Return how Lightning learns its place; signals of SLURM are handled here, not there."""
    if env.launcher == "srun":
        return SLURMEnvironment(auto_requeue=False)
    if env.launcher == "torchrun":
        return TorchElasticEnvironment()
    if env.launcher == "submitit":
        # Its tasks are on this machine; the job's number makes a port that all of them know.
        os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
        job = int(os.environ[_SUBMITIT_PREFIX + "JOB_ID"])
        os.environ.setdefault("MASTER_PORT", str(20000 + job % 40000))
        os.environ["LOCAL_RANK"] = os.environ[_SUBMITIT_PREFIX + "LOCALID"]
    return LightningEnvironment()


def check_devices(cfg: DictConfig) -> DistributedEnv:
    """Refuse what can not work on this machine; return the processes of the run.

    Raises:
        DeviceError: an accelerator that is not there, or fewer devices than asked for.
        ConfigError: several devices without a strategy for them, or one that can not work.
    """
    accelerator = str(cfg.trainer.get("accelerator", "auto"))
    if accelerator in ("gpu", "cuda"):
        resolve_device("cuda")
    elif accelerator not in ("auto", "cpu", "mps"):
        raise DeviceError(
            f"trainer.accelerator={accelerator}: allowed are auto, cpu, gpu, cuda and mps"
        )
    world = detect_env(cfg)
    if world.world_size == 1:
        return world
    if accelerator == "mps":
        raise DeviceError("trainer.accelerator=mps: one process only; choose trainer=default")
    if int(cfg.data.batch_size) < world.world_size:
        raise ConfigError(
            f"data.batch_size={cfg.data.batch_size} is that of all {world.world_size} processes "
            f"together: set {world.world_size} or more"
        )
    if str(cfg.trainer.strategy._target_).endswith(".fsdp"):
        _check_fsdp(cfg)
    return world


def check_multirun_devices(cfg: DictConfig) -> None:
    """Refuse a multirun whose jobs want several processes, unless its launcher has started them.

    A process more would be started with this process's command line, which is the whole
    multirun's.

    Raises:
        ConfigError: more than one device or node.
    """
    devices = cfg.trainer.get("devices", 1)
    one = devices in (1, "1") or (OmegaConf.is_list(devices) and len(devices) == 1)
    started = _detect_launcher()
    if (one and cfg.trainer.get("num_nodes", 1) in (1, "1", "auto")) or (
        has_distributed_strategy(cfg) and started is not None and started[1] * started[2] > 1
    ):
        return
    raise ConfigError(
        f"trainer.devices={devices} in a multirun: one device a job; allowed are 1 and [ID], or "
        "hydra/launcher=submitit_slurm with hydra.launcher.tasks_per_node=N, which starts a "
        "process for each device"
    )


def require_single_process(program_name: str) -> None:
    """Raise a ConfigError in a program that is one process, if it was started as several."""
    started = _detect_launcher()
    if started is not None and started[1] * started[2] > 1:
        raise ConfigError(
            f"{program_name} is one process, and {started[0]} has started "
            f"{started[1] * started[2]}; start it alone"
        )


def has_distributed_strategy(cfg: DictConfig) -> bool:
    """Tell whether the config has a strategy for several processes."""
    return OmegaConf.is_dict(cfg.trainer.get("strategy"))


def detect_env(cfg: DictConfig) -> DistributedEnv:
    """Return the processes that a config means, here and now.

    Raises:
        ConfigError, DeviceError: as :func:`check_devices`.
    """
    trainer, started = cfg.trainer, _detect_launcher()
    devices, strategy = trainer.get("devices", 1), trainer.get("strategy", "auto")
    many = started is not None and started[1] * started[2] > 1
    if not has_distributed_strategy(cfg):
        if strategy not in (None, "auto"):
            raise ConfigError(f"trainer.strategy={strategy}: choose trainer=ddp or trainer=fsdp")
        if many:
            assert started is not None
            raise ConfigError(
                f"{started[0]} has started {started[1] * started[2]} processes and this trainer is "
                "for one: choose trainer=ddp or trainer=fsdp, or start one"
            )
        given = OmegaConf.to_container(devices) if OmegaConf.is_list(devices) else devices
        single = given in (1, "1", "auto") or (isinstance(given, list) and len(given) == 1)
        if not single or trainer.get("num_nodes", 1) not in (1, "1"):
            raise ConfigError(
                f"trainer.devices={devices}: one device a run; allowed are 1 and [ID]; several "
                "work together with trainer=ddp"
            )
        return DistributedEnv(1, devices=1 if given == "auto" else given)
    return _resolve_devices(trainer, started if many else None)


def _resolve_devices(
    trainer: Mapping[str, Any], launched: tuple[str, int, int] | None
) -> DistributedEnv:
    devices, nodes = trainer.get("devices", "auto"), trainer.get("num_nodes", "auto")
    on_gpu = _uses_gpu(str(trainer.get("accelerator", "auto")))
    visible = torch.cuda.device_count() if on_gpu else 1
    if devices in ("auto", -1, "-1"):
        count = visible if launched is None else launched[1]
        devices = count
    elif OmegaConf.is_list(devices):
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
    if on_gpu and (count > visible or (isinstance(devices, list) and max(devices) >= visible)):
        raise DeviceError(f"trainer.devices={devices}: {visible} CUDA devices are visible here")
    if isinstance(devices, list) and not on_gpu:
        raise ConfigError(f"trainer.devices={devices}: processors have no numbers; give {count}")
    if launched is None:
        if nodes not in (1, "1", "auto"):
            raise ConfigError(
                f"trainer.num_nodes={nodes}: on several machines srun or torchrun starts the "
                "processes, see docs/scaling.md"
            )
        return DistributedEnv(count, devices=devices, uses_gpu=on_gpu)
    starter, local, machines = launched
    if starter == "srun" and "SLURM_NTASKS_PER_NODE" not in os.environ:
        raise ConfigError(
            f"srun has started {local * machines} processes by --ntasks: give --nodes and "
            "--ntasks-per-node instead, so that each machine has as many"
        )
    if count != local or nodes not in (machines, str(machines), "auto"):
        raise ConfigError(
            f"trainer.devices={devices} trainer.num_nodes={nodes}: {starter} has started {local} "
            f"processes on each of {machines} machines; leave both at auto"
        )
    return DistributedEnv(local, machines, starter, devices, on_gpu)


def _uses_gpu(accelerator: str) -> bool:
    return accelerator in ("gpu", "cuda") or (accelerator == "auto" and torch.cuda.is_available())


def _check_fsdp(cfg: DictConfig) -> None:
    for name, callback in (cfg.get("callbacks") or {}).items():
        target = str(callback.get("_target_", ""))
        if target.endswith(("WeightAveraging", "ExponentialMovingAverage")):
            raise ConfigError(
                f"callbacks.{name}: a moving average needs whole weights, and trainer=fsdp divides "
                f"them; choose trainer=ddp, or leave it out by '~callbacks.{name}'"
            )


def _detect_launcher() -> tuple[str, int, int] | None:
    """Return who started this process as one of several, how many on each machine, and machines."""
    env = os.environ
    if LAUNCHED_RANKS in env:
        return "train.py", int(env[LAUNCHED_RANKS]), 1
    if "TORCHELASTIC_RUN_ID" in env:
        local = int(env["LOCAL_WORLD_SIZE"])
        return "torchrun", local, int(env["WORLD_SIZE"]) // local
    if env.get("SUBMITIT_EXECUTOR") == "local" and _SUBMITIT_PREFIX + "NTASKS" in env:
        return "submitit", int(env[_SUBMITIT_PREFIX + "NTASKS"]), 1
    # A batch script has SLURM's other variables too; the number of a step has only what srun ran.
    if "SLURM_NTASKS" in env and {"SLURM_STEP_ID", "SLURM_STEPID"} & env.keys():
        nodes = int(env.get("SLURM_STEP_NUM_NODES") or env.get("SLURM_NNODES") or 1)
        return "srun", int(env["SLURM_NTASKS"]) // nodes, nodes
    return None
