"""What the ranks of one run exchange; with a single process, each function is trivial."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import distributed

Item = TypeVar("Item")


def world_size() -> int:
    """Return the number of processes that train together; 1 without a process group."""
    return distributed.get_world_size() if _has_process_group() else 1


def all_reduce_sum(values: torch.Tensor) -> torch.Tensor:
    """Return the sum of a tensor over all ranks, detached; the same bits on every rank."""
    values = values.detach().clone()
    if world_size() > 1:
        distributed.all_reduce(values)
    return values


def all_reduce_mean(value: torch.Tensor, count: int, *, weighted: bool) -> tuple[torch.Tensor, int]:
    """Return the ranks' mean of a scalar, and the sum of their counts; NaN if any of them is NaN.

    Args:
        value: The scalar of this rank.
        count: The number of items behind it.
        weighted: Whether ranks are weighted by their counts; otherwise all count the same.
    """
    if world_size() == 1:
        return value, count
    weight = count if weighted else 1
    parts = [value.double() * weight, *value.new_tensor([weight, count]).double()]
    summed = all_reduce_sum(torch.stack(parts))
    return (summed[0] / summed[1]).to(value.dtype), int(summed[2].item())


def all_reduce_sum_with_gradient(values: torch.Tensor) -> torch.Tensor:
    """Return the sum of a tensor over all ranks, whose gradient is summed over all ranks too."""
    if world_size() == 1:
        return values
    summed: torch.Tensor = _AllReduceSum.apply(values)
    return summed


def all_reduce_max(number: int, device: torch.device) -> int:
    """Return the largest of the ranks' numbers.

    Args:
        number: The number of this rank.
        device: The device on which the ranks communicate, which is that of the network.
    """
    if world_size() == 1:
        return number
    value = torch.tensor(number, device=device)
    distributed.all_reduce(value, op=distributed.ReduceOp.MAX)
    return int(value.item())


def all_gather(item: Item) -> list[Item]:
    """Return the items of all ranks in their order; items are small, plain objects."""
    if world_size() == 1:
        return [item]
    items: list[Item | None] = [None] * world_size()
    distributed.all_gather_object(items, item)
    return [each for each in items if each is not None]


def leave_process_group() -> None:
    """Leave the process group, if there is one."""
    if _has_process_group():
        distributed.destroy_process_group()


class _AllReduceSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        return all_reduce_sum(values.contiguous())

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
        (grad,) = grads
        return all_reduce_sum(grad.contiguous())


def _has_process_group() -> bool:
    return distributed.is_available() and distributed.is_initialized()
