"""Convert filters that were learnt on some pixel values to those that a network sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import NamedTuple

import torch
from timm.layers import ScaledStdConv2d, ScaledStdConv2dSame, StdConv2d, StdConv2dSame
from torch import nn

from outtake.models.normalisation import PixelScale

# They divide their filters by the deviation of them, which undoes another scale.
_STANDARDISING = (StdConv2d, StdConv2dSame, ScaledStdConv2d, ScaledStdConv2dSame)


class _Call(NamedTuple):
    name: str
    module: nn.Module
    given: object
    returned: object


def convert_filters(
    weight: torch.Tensor, given: PixelScale, own: PixelScale
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return filters for other pixel values that give the same response to the same image.

    Args:
        weight: Filters (out, 3, k, k) that were learnt on ``given``.
        given: What these filters saw.
        own: What the network sees. Channels behind those of RGB begin at the mean of the filters;
            where there are fewer, all have it, so that the response to a grey image stays.

    Returns:
        The filters (out, channels, k, k), and what the bias (out,) must grow by.
    """
    channels, colours = len(own.mean), len(given.mean)
    per_level = weight / torch.tensor(given.std, dtype=weight.dtype).view(1, -1, 1, 1)
    mean = per_level.mean(1)
    if channels < colours:
        share = colours / channels
        sums = per_level.sum((2, 3)) @ torch.tensor(given.mean, dtype=weight.dtype)
        grey = share * sum(own.mean) * mean.sum((1, 2))
        return torch.stack([share * mean * std for std in own.std], 1), grey - sums
    places = {given.colour(channel): channel for channel in range(colours)}
    filters, shift = [], torch.zeros(len(weight), dtype=weight.dtype)
    for channel in range(colours):
        place = places[own.colour(channel)]
        filters.append(weight[:, place] * (own.std[channel] / given.std[place]))
        difference = (own.mean[channel] - given.mean[place]) / given.std[place]
        shift += difference * weight[:, place].sum((1, 2))
    filters += [mean * own.std[channel] for channel in range(colours, channels)]
    return torch.stack(filters, 1), shift


def convert_first_convolutions(
    encoder: nn.Module,
    find_tensor: Callable[[str], torch.Tensor | None],
    given: PixelScale,
    own: PixelScale,
    side_px: int,
) -> dict[str, torch.Tensor] | None:
    """Return what the first convolutions of an encoder need to see other pixel values.

    They respond to the same image as before, but for the border where there is padding: it stands
    for the mean of what the network sees, which is another grey. Which convolutions are the first
    is found by running the encoder, which stays as it is.

    Args:
        encoder: The encoder.
        find_tensor: Returns the tensor of the file for a name of the encoder, or None.
        given: What the filters of the file were learnt on.
        own: What the network sees.
        side_px: The side of the images that the encoder is run on.

    Returns:
        The tensors by their names in the encoder; None if it does not begin with convolutions of
        the three colours that have a bias, or batch normalisation to take it.
    """
    with _record_calls(encoder) as calls:
        image = run_on_zeros(encoder, len(own.mean), side_px)
    converted = {}
    for first in _list_takers(calls, image):
        weight = find_tensor(f"{first.name}.weight")
        plain = isinstance(first.module, nn.Conv2d) and not isinstance(first.module, _STANDARDISING)
        if not plain or weight is None or weight.dim() != 4 or weight.shape[1] != len(given.mean):
            return None
        filters, shift = convert_filters(weight.float(), given, own)
        converted[f"{first.name}.weight"] = filters
        if first.module.bias is not None:
            key, sign = f"{first.name}.bias", 1
        else:
            followers = _list_takers(calls, first.returned)
            if len(followers) != 1 or not isinstance(followers[0].module, nn.BatchNorm2d):
                return None
            key, sign = f"{followers[0].name}.running_mean", -1
        found = find_tensor(key)
        if found is None:
            return None
        converted[key] = found + sign * shift
    return converted or None


def run_on_zeros(encoder: nn.Module, channels: int, side_px: int) -> torch.Tensor:
    """Run a new encoder on an empty image and return that.

    Its statistics stay as they are, and so does the state of the random generator.
    """
    weight = next(encoder.parameters())
    image = torch.zeros(1, channels, side_px, side_px, dtype=weight.dtype, device=weight.device)
    training = encoder.training
    try:
        # Not inference_mode: training could not use what an encoder keeps from its first images.
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            encoder.eval()(image)
    finally:
        encoder.train(training)
    return image


@contextmanager
def _record_calls(net: nn.Module) -> Iterator[list[_Call]]:
    """Collect the modules that are called, with their first argument and what they return."""
    calls: list[_Call] = []
    names = {module: name for name, module in net.named_modules()}

    def record(module: nn.Module, given: tuple[object, ...], returned: object) -> None:
        calls.append(_Call(names[module], module, given[0] if given else None, returned))

    hooks = [module.register_forward_hook(record) for module in names]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def _list_takers(calls: list[_Call], tensor: object) -> list[_Call]:
    """Return the calls of modules with weights or statistics of their own that took a tensor."""
    return [
        call
        for call in calls
        if call.given is tensor
        and any(True for _ in chain(call.module.parameters(False), call.module.buffers(False)))
    ]
