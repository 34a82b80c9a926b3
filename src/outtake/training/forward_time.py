"""How long a network takes for one image."""

from __future__ import annotations

import time

import torch
from torch import nn

_WARM_UP = 3
_REPEATS = 15


@torch.inference_mode()
def forward_ms(net: nn.Module, image: torch.Tensor) -> float:
    """Return the milliseconds of one forward pass: the least disturbed of several.

    Args:
        net: what is called; it is put in eval mode for the time being.
        image: one batch, as ``net`` takes it; brought to the device of its parameters.
    """
    device = next(net.parameters()).device
    image = image.to(device)
    mode = net.training
    net.eval()
    try:
        times_s = [_timed_s(net, image, device) for _ in range(_WARM_UP + _REPEATS)]
    finally:
        net.train(mode)
    return 1000 * min(times_s[_WARM_UP:])


def _timed_s(net: nn.Module, image: torch.Tensor, device: torch.device) -> float:
    _wait(device)
    began_s = time.perf_counter()
    net(image)
    _wait(device)
    return time.perf_counter() - began_s


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
