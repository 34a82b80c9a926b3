"""The maps inside a network: which module gives them, what they are, and how they are disturbed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from outtake.core.errors import ConfigError
from outtake.core.printable_text import list_some
from outtake.models.deterministic_resize import deterministic_resizing
from outtake.training.module_modes import in_eval_mode
from outtake.training.probe_network import PROBE_SIDE_PX
from outtake.training.random_state import keep_random_state

USUAL_NAMES = ("encoder", "net.encoder", "backbone", "net.backbone")


def find_feature_module(net: nn.Module, name: str | None, option: str, whose: str) -> nn.Module:
    """Return the module whose output is taken for the features of a network.

    Args:
        net: The network.
        name: Its name in the network, as in ``named_modules()``; None looks for an encoder.
        option: The key that names it, for messages.
        whose: Whose network it is, for messages.

    Raises:
        ConfigError: There is no such module.
    """
    modules: dict[str, nn.Module] = dict(net.named_modules())
    names = USUAL_NAMES if name is None else (name,)
    found = next((modules[each] for each in names if each in modules), None)
    if found is not None and found is not net:
        return found
    known = [each for each in modules if each and each.count(".") < 2]
    asked = f"{option}={name}: {whose} has no such module" if name else f"{whose} has no encoder"
    raise ConfigError(
        f"{asked}; set {option} to one of its modules, which are {list_some(known, 12) or 'none'}"
    )


def count_channels(net: nn.Module, module: nn.Module, channels: int, option: str) -> int:
    """Return how many channels the last map of a module has.

    Args:
        net: The network; it and the random generators stay as they are.
        module: One of its modules.
        channels: The number of channels of an image.
        option: The key that names the module, for messages.

    Raises:
        ConfigError: The network does not call the module, or it gives no map.
    """
    weight = next(net.parameters())
    side = 2 * PROBE_SIDE_PX
    images = torch.zeros(1, channels, side, side, dtype=weight.dtype, device=weight.device)
    with in_eval_mode(net), keep_random_state(), torch.no_grad(), recorded_maps(module) as maps:
        net(images)
    if not maps:
        raise ConfigError(f"{option}: the network never calls this module, or it gives no map")
    return int(maps[-1].shape[1])


@contextmanager
def recorded_maps(module: nn.Module) -> Iterator[list[torch.Tensor]]:
    """Collect the last map (B, C, h, w) of each call of a module."""
    maps: list[torch.Tensor] = []

    def keep(_: nn.Module, __: Any, output: Any) -> None:
        found = [each for each in _tensors(output) if each.dim() == 4]
        maps.extend(found[-1:])

    hook = module.register_forward_hook(keep)
    try:
        yield maps
    finally:
        hook.remove()


@contextmanager
def dropped_channels(module: nn.Module, share: float) -> Iterator[None]:
    """Zero a random share of the channels of every map that a module gives, as dropout does."""

    def drop(_: nn.Module, given: Any, output: Any) -> Any:
        return _drop_channels(output, share, list(_tensors(given)))

    hook = module.register_forward_hook(drop)
    try:
        yield
    finally:
        hook.remove()


def resize_maps(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Resize (B, C, h, w) to (B, C, *size), bilinearly."""
    if tuple(maps.shape[-2:]) == size:
        return maps
    with deterministic_resizing(maps):
        return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def _tensors(output: Any) -> Iterator[torch.Tensor]:
    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, Mapping):
        for each in output.values():
            yield from _tensors(each)
    elif isinstance(output, Sequence):
        for each in output:
            yield from _tensors(each)


def _drop_channels(output: Any, share: float, given: list[torch.Tensor]) -> Any:
    if isinstance(output, torch.Tensor):
        # An encoder may hand on the image itself, at full size: that is no feature.
        is_given = any(output is each for each in given)
        return output if is_given or output.dim() != 4 else F.dropout2d(output, share)
    if isinstance(output, dict):
        return type(output)((k, _drop_channels(v, share, given)) for k, v in output.items())
    if isinstance(output, list | tuple):
        return type(output)(_drop_channels(each, share, given) for each in output)
    return output
