"""What a network does with images, found on empty images before it is trained.

Several processes need to know this. PSPNet uses the first stages of an encoder only, and some
encoders keep the last convolution of a classifier: processes would wait for the gradients of such
weights. timm's transformers call their parts past the module that holds them, so that module
cannot gather weights.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from outtake.core.errors import ConfigError
from outtake.models.deterministic_resize import deterministic_resizing
from outtake.models.late_fusion import LateFusion
from outtake.models.training_logits import all_logits, main_logits
from outtake.training.random_state import keep_random_state

PROBE_SIDE_PX = 32  # networks take any size; one pixel is left at stride 32


@dataclass(frozen=True)
class ProbeResult:
    """What a probe of a network found.

    Attributes:
        unused_parameters: The names of the weights, in their order, that no gradient of the logits,
            or of the heads that are trained, reaches in training or in evaluation.
        called_modules: The names of the modules that are called in training and in evaluation.
    """

    unused_parameters: list[str]
    called_modules: frozenset[str]


def probe(net: nn.Module, channels: int, *, heads: bool = False) -> ProbeResult | None:
    """Run a copy of a network on empty images; it and the random generators stay as they are.

    Args:
        net: The network: normalised images (B, channels, h, w) to logits.
        channels: The number of channels of an image.
        heads: Whether the heads that the network has for training alone are trained.

    Returns:
        What was found; None if the network fails on such images, as one that takes a single size.
    """
    try:
        with keep_random_state():
            copied = copy.deepcopy(net)
            with _record_calls(copied) as in_training:
                _backward_on_zeros(copied, channels, training=True, heads=heads)
            with _record_calls(copied) as in_evaluation:
                _backward_on_zeros(copied, channels, training=False, heads=heads)
    except Exception:
        return None
    return ProbeResult(
        unused_parameters=[
            name
            for name, weight in copied.named_parameters()
            if weight.requires_grad and weight.grad is None
        ],
        called_modules=frozenset(in_training & in_evaluation),
    )


def iter_foreign_networks(net: nn.Module, channels: int) -> Iterator[tuple[nn.Module, int]]:
    """Yield the networks that are not Outtake's own, with the number of their channels.

    Args:
        net: The network, or a fusion of several.
        channels: The number of channels of an image.
    """
    parts = [(net, channels)]
    if isinstance(net, LateFusion):
        parts = [(part, len(net.member_channels[name])) for name, part in net.members.items()]
    for part, own in parts:
        if not type(part).__module__.startswith("outtake."):
            yield part, own


def check_network_output(
    net: nn.Module, channels: int, classes: int, size: tuple[int, int]
) -> None:
    """Check the logits that a copy of a network gives for one empty image.

    A network that fails here is accepted: it may work on a GPU only.

    Args:
        net: The network: normalised images (B, channels, h, w) to logits (B, classes, h, w).
        channels: The number of channels of an image.
        classes: The number of classes.
        size: The height and width of the image.

    Raises:
        ConfigError: The network gives something other than such logits.
    """
    try:
        with keep_random_state():
            copied = copy.deepcopy(net).eval()
            weight = next(copied.parameters())
            images = torch.zeros(1, channels, *size, dtype=weight.dtype, device=weight.device)
            with torch.no_grad():
                output = copied(images)
    except Exception:
        return
    expected = (1, classes, *size)
    if isinstance(output, torch.Tensor) and tuple(output.shape) == expected:
        return
    found = (
        tuple(output.shape) if isinstance(output, torch.Tensor) else f"a {type(output).__name__}"
    )
    raise ConfigError(
        f"model: {type(net).__name__} gives {found} for images {tuple(images.shape)}; it must "
        f"give logits {expected}: a tensor with a score for each class and pixel"
    )


@contextmanager
def _record_calls(net: nn.Module) -> Iterator[set[str]]:
    """Collect the names of the modules that are called."""
    called: set[str] = set()
    names = {module: name for name, module in net.named_modules()}
    hooks = [
        module.register_forward_pre_hook(lambda module, _: called.add(names[module]))
        for module in names
    ]
    try:
        yield called
    finally:
        for hook in hooks:
            hook.remove()


def _backward_on_zeros(net: nn.Module, channels: int, *, training: bool, heads: bool) -> None:
    net.train(training)
    for layer in net.modules():
        # With their running statistics: a single pixel has none, and other processes are absent.
        if isinstance(layer, _BatchNorm):
            layer.training = False
    weight = next(net.parameters())
    images = torch.zeros(
        2, channels, PROBE_SIDE_PX, PROBE_SIDE_PX, dtype=weight.dtype, device=weight.device
    )
    with torch.enable_grad(), deterministic_resizing(images):
        outputs = net(images)
        logits = all_logits(outputs) if heads else [main_logits(outputs)]
        total: Any = torch.stack([each.sum() for each in logits]).sum()  # backward is untyped
        total.backward()
