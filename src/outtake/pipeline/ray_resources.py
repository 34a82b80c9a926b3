"""The CPUs and GPUs of Ray workers: a GPU each, if the job uses one.

The device of a job is decided once, here, so that every worker makes the frames that this process
would make, whatever its own machine has.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from outtake.config.infer_video_schema import InferVideoConfig
from outtake.core.device import resolve_device
from outtake.core.errors import ConfigError, DeviceError
from outtake.core.onnx_providers import PROVIDERS
from outtake.inference.open_backend import resolve_backend
from outtake.removal.protocol import Remover

log = logging.getLogger(__name__)


def uses_cuda(config: InferVideoConfig, remover: Remover) -> bool:
    """Return whether any part of a job would run on CUDA in this process."""
    return remover.device == "cuda" or _network_uses_cuda(config)


def worker_config(config: InferVideoConfig, remover_device: str | None) -> InferVideoConfig:
    """Return the config of a job for a worker, which sees one GPU or none.

    Args:
        config: The config here, where ``auto`` and ``cuda:1`` mean this machine's devices.
        remover_device: Where the remover runs here.
    """
    device = config.device
    if not _network_uses_cuda(config):
        device = "cpu"
    elif resolve_device(device).type == "cuda":
        device = "cuda"  # a worker sees only its own
    remover = _name_device(config.remover, remover_device)
    return replace(config, device=device, remover=remover)


def worker_resources(
    machines: Sequence[Mapping[str, float]], workers: int, *, cuda: bool
) -> dict[str, float]:
    """Return the resources of each worker, so that as many as possible run at once.

    Args:
        machines: The resources of each machine, by Ray's names (``CPU``, ``GPU``).
        workers: The number of workers that should run at once.
        cuda: Whether the job uses CUDA.

    Raises:
        DeviceError: The job uses CUDA and no machine has a GPU: Ray would wait for ever.
        ConfigError: No suitable machine offers a CPU.
    """
    if cuda:
        machines = [machine for machine in machines if machine.get("GPU", 0) >= 1]
        if not machines:
            raise DeviceError(
                f"job.workers={workers}: this job runs on CUDA here, and no machine of the Ray "
                "cluster has a GPU; set device=cpu (and remover.device=cpu, if it is there), or "
                "job.workers=0"
            )
    capacity = [
        (int(machine.get("CPU", 0)), int(machine["GPU"]) if cuda else workers)
        for machine in machines
    ]
    at_once = min(workers, sum(most for _, most in capacity))
    if at_once < workers:
        log.warning(
            "job.workers=%d: each gets a GPU of its own, so %d of them work at once",
            workers,
            at_once,
        )
    # A task is never spread over two machines: the sum over machines does not count.
    for cpus in range(max((cpus for cpus, _ in capacity), default=0), 0, -1):
        if sum(min(there // cpus, most) for there, most in capacity) >= at_once:
            return {"num_cpus": cpus, "num_gpus": 1 if cuda else 0}
    if not any(there for there, _ in capacity):
        where = "with a GPU " if cuda else ""
        raise ConfigError(
            f"job.workers={workers}: no machine {where}of the Ray cluster has a processor to give "
            "away; start Ray with --num-cpus, or use job.workers=0"
        )
    return {"num_cpus": 1, "num_gpus": 1 if cuda else 0}


def _network_uses_cuda(config: InferVideoConfig) -> bool:
    if config.without_network:
        return False  # there is no network
    backend = resolve_backend(config.backend["name"], config.device, config.network.precision)
    if backend == "openvino":
        return False
    if backend == "torch":
        return resolve_device(config.device).type == "cuda"
    provider = config.backend.get("provider", "auto")
    if provider == "auto" and config.device == "auto":
        return _onnx_has_cuda()
    return provider in ("cuda", "tensorrt") or (
        provider == "auto" and resolve_device(config.device).type == "cuda"
    )


def _onnx_has_cuda() -> bool:
    try:
        runtime = importlib.import_module("onnxruntime")
    except ImportError:
        return False
    return PROVIDERS["cuda"] in runtime.get_available_providers()


def _name_device(node: Any, device: str | None) -> Any:
    """Return the config of a remover with ``device: auto`` replaced by what it is here."""
    if device is None or not isinstance(node, Mapping):
        return node
    return {
        key: device if (key, value) == ("device", "auto") else _name_device(value, device)
        for key, value in node.items()
    }
