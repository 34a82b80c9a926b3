"""How the processes of a run work together."""

from __future__ import annotations

from outtake.training.distributed.ddp import DDP
from outtake.training.distributed.fsdp import FSDP


def ddp(*, timeout_s: float = 600.0, find_unused_parameters: bool = False) -> DDP:
    """Return the strategy in which every process has the whole network.

    Args:
        timeout_s: after which a process that does not answer ends the run.
        find_unused_parameters: for networks that use other weights in each step.
    """
    return DDP(timeout_s=timeout_s, find_unused_parameters=find_unused_parameters)


def fsdp(*, timeout_s: float = 600.0, min_parameters: int = 1_000_000) -> FSDP:
    """Return the strategy in which every process keeps a part of the network, for large ones.

    Args:
        timeout_s: after which a process that does not answer ends the run.
        min_parameters: see :class:`outtake.training.distributed.fsdp.FSDP`.
    """
    return FSDP(timeout_s=timeout_s, min_parameters=min_parameters)
