"""From a composed config to a network and what makes its pixel values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from omegaconf import DictConfig

from outtake.config.instantiate import (
    check_targets,
    instantiate,
    instantiate_with_available,
    resolve_config,
)
from outtake.config.network_arguments import complete_network
from outtake.core.errors import ConfigError
from outtake.data.further_inputs import FurtherInput


def build_net(
    node: DictConfig | Mapping[str, Any],
    classes: int,
    channels: int,
    normalise: torch.nn.Module | None = None,
    further_inputs: Sequence[FurtherInput] = (),
) -> torch.nn.Module:
    """Build the network; what it has to fit is passed where its constructor takes it.

    Args:
        node: A mapping with ``_target_``.
        classes: The number of classes.
        channels: The number of channels of the images.
        normalise: What makes its pixel values, for a network that converts the weights which it
            begins from; None where it begins from none.
        further_inputs: The inputs beside the image, whose channels are the last ones.
    """
    tree = resolve_config(node)
    check_targets(tree, "model")
    scale = getattr(normalise, "pixel_scale", None)
    net = instantiate(complete_network(tree, classes, channels, scale, further_inputs))
    if not isinstance(net, torch.nn.Module):
        raise ConfigError(f"model._target_={tree['_target_']} makes no torch.nn.Module")
    return net


def build_normalisation(
    node: DictConfig | Mapping[str, Any], channels: int, further_channels: int = 0
) -> torch.nn.Module:
    """Build what brings uint8 images to the values that the network takes."""
    known = {"channels": channels, "further_channels": further_channels}
    module: torch.nn.Module = instantiate_with_available(node, "normalize", known)
    return module
