"""What a network does with images, found on empty ones before it is trained.

Several processes have to know: PSPNet looks at an encoder's first stages only, a classifier's last
convolution stays in some encoders, and processes would wait for each other's gradient of that;
timm's transformers call their parts past the module that holds them, so it can not gather weights.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from outtake.core.errors import ConfigError
from outtake.models.deterministic_resize import deterministic_resizing
from outtake.training.random_state import random_state, restore_random_state

PROBE_SIDE_PX = 32  # networks take any size; one pixel is left at stride 32


@dataclass(frozen=True)
class ProbeResult:
    """What was found.

    Args:
        unused_parameters: names of the weights that no gradient of the logits reaches, in their
            order: neither in training nor in evaluation.
        called_modules: names of the modules that are called, in training and in evaluation.
    """

    unused_parameters: list[str]
    called_modules: frozenset[str]


def probe(net: nn.Module, channels: int) -> ProbeResult | None:
    """Try a copy of a network on empty images; it and the random generators stay as they are.

    Args:
        net: normalised images (B, channels, h, w) to logits.
        channels: of the images.

    Returns:
        What it does; None if the network can not be tried on such images, as one that takes a
        single size.
    """
    drawn = random_state()
    try:
        copied = copy.deepcopy(net)
        with _record_calls(copied) as in_training:
            _backward_on_zeros(copied, channels, training=True)
        with _record_calls(copied) as in_evaluation:
            _backward_on_zeros(copied, channels, training=False)
    except Exception:
        return None
    finally:
        restore_random_state(drawn)
    return ProbeResult(
        unused_parameters=[
            name
            for name, weight in copied.named_parameters()
            if weight.requires_grad and weight.grad is None
        ],
        called_modules=frozenset(in_training & in_evaluation),
    )


def check_network_output(
    net: nn.Module, channels: int, classes: int, size: tuple[int, int]
) -> None:
    """Show a copy of a network one empty image, and look at what it makes of it.

    A network that can not be tried here, as one that works on a GPU only, is taken as it is.

    Args:
        net: normalised images (B, channels, h, w) to logits (B, classes, h, w).
        channels: of the images.
        classes: how many.
        size: height and width of the image.

    Raises:
        ConfigError: it gives something else than such logits.
    """
    drawn = random_state()
    try:
        copied = copy.deepcopy(net).eval()
        weight = next(copied.parameters())
        images = torch.zeros(1, channels, *size, dtype=weight.dtype, device=weight.device)
        with torch.no_grad():
            made = copied(images)
    except Exception:
        return
    finally:
        restore_random_state(drawn)
    wanted = (1, classes, *size)
    if isinstance(made, torch.Tensor) and tuple(made.shape) == wanted:
        return
    given = tuple(made.shape) if isinstance(made, torch.Tensor) else f"a {type(made).__name__}"
    raise ConfigError(
        f"model: {type(net).__name__} gives {given} for images {tuple(images.shape)}; it has to "
        f"give logits {wanted}: a tensor with a score for each class and pixel"
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


def _backward_on_zeros(net: nn.Module, channels: int, *, training: bool) -> None:
    net.train(training)
    for layer in net.modules():
        # With the statistics that they have: those of one pixel, or of other processes, are none.
        if isinstance(layer, _BatchNorm):
            layer.training = False
    weight = next(net.parameters())
    images = torch.zeros(
        2, channels, PROBE_SIDE_PX, PROBE_SIDE_PX, dtype=weight.dtype, device=weight.device
    )
    with torch.enable_grad(), deterministic_resizing(images):
        net(images).sum().backward()
