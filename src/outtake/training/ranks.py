"""What the processes of one run (its ranks) tell each other; alone, each function is trivial."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import distributed

Item = TypeVar("Item")


def world_size() -> int:
    """Return how many processes train together; 1 where there is no group of them."""
    return distributed.get_world_size() if _grouped() else 1


def rank() -> int:
    """Return this process's number, 0 where it is alone."""
    return distributed.get_rank() if _grouped() else 0


def total(values: torch.Tensor) -> torch.Tensor:
    """Return the sum of a tensor over all ranks, detached; the same bits on every rank."""
    values = values.detach().clone()
    if world_size() > 1:
        distributed.all_reduce(values)
    return values


def mean_over_ranks(value: torch.Tensor, weight: int) -> tuple[torch.Tensor, int]:
    """Return the ranks' mean of a scalar, and the sum of its weights; NaN if any of them is NaN."""
    if world_size() == 1:
        return value, weight
    summed = total(torch.stack([value.double() * weight, value.new_tensor(weight).double()]))
    return (summed[0] / summed[1]).to(value.dtype), int(summed[1].item())


def highest(number: int, device: torch.device) -> int:
    """Return the largest of the ranks' numbers.

    Args:
        number: of this rank.
        device: on which the ranks talk: that of the network.
    """
    if world_size() == 1:
        return number
    value = torch.tensor(number, device=device)
    distributed.all_reduce(value, op=distributed.ReduceOp.MAX)
    return int(value.item())


def gathered(item: Item) -> list[Item]:
    """Return every rank's item, in the order of the ranks: small, plain objects."""
    if world_size() == 1:
        return [item]
    items: list[Item | None] = [None] * world_size()
    distributed.all_gather_object(items, item)
    return [each for each in items if each is not None]


def leave() -> None:
    """End this process's part in the group, if it is in one."""
    if _grouped():
        distributed.destroy_process_group()


def _grouped() -> bool:
    return distributed.is_available() and distributed.is_initialized()
