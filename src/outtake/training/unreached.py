"""Weights that a network has and does not use: no gradient ever reaches them.

PSPNet looks at an encoder's first stages only, a classifier's last convolution stays in some
encoders. Alone that does no harm: an optimizer leaves out what has no gradient. Several processes
would wait for each other's gradient of it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from outtake.errors import ConfigError
from outtake.training.randomness import random_state, set_random_state

SIDE = 32  # networks take any size; one pixel is left at stride 32


def unreached(net: nn.Module, channels: int) -> list[str]:
    """Return the names of the weights that no gradient of the logits reaches.

    A copy of the network is tried on empty images, as in training and as in evaluation: what one
    of them reaches counts as reached. The network and the random generators stay as they are.

    Args:
        net: normalised images (B, channels, h, w) to logits.
        channels: of the images.

    Returns:
        The names in their order; none if the network can not be tried on such images.
    """
    drawn = random_state()
    try:
        tried = copy.deepcopy(net)
        for training in (True, False):
            _go_backward(tried, channels, training)
    except Exception:
        # A network of one's own may take one size only: then nothing is known.
        return []
    finally:
        set_random_state(drawn)
    weights = tried.named_parameters()
    return [name for name, weight in weights if weight.requires_grad and weight.grad is None]


def refuse_gradients(weights: dict[str, nn.Parameter], advice: str) -> None:
    """Let a gradient that reaches one of some weights end the fit.

    Raises:
        ConfigError: later, in the backward pass in which it happens.
    """
    for name, weight in weights.items():
        hook = _refusal(name, advice)
        weight.register_post_accumulate_grad_hook(hook)  # type: ignore[no-untyped-call]


def _refusal(name: str, advice: str) -> Callable[[torch.Tensor], None]:
    def refuse(weight: torch.Tensor) -> None:
        raise ConfigError(f"the network uses {name} in some steps only; {advice}")

    return refuse


def _go_backward(net: nn.Module, channels: int, training: bool) -> None:
    net.train(training)
    for layer in net.modules():
        # With the statistics that they have: those of one pixel, or of other processes, are none.
        if isinstance(layer, _BatchNorm):
            layer.training = False
    weight = next(net.parameters())
    images = torch.zeros(2, channels, SIDE, SIDE, dtype=weight.dtype, device=weight.device)
    with torch.enable_grad():
        net(images).sum().backward()
