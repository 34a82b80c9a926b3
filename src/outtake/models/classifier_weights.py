"""Load the file of a trained classifier into the fully convolutional network made of it.

A file is known by the names in it: torchvision's number the layers (``features.0.weight``), those
that were converted from Caffe have its names (``conv1_1.weight``). A fully connected layer becomes
a convolution of the map that it had seen.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from outtake.core.errors import ConfigError, WeightsError
from outtake.models.first_filters import RGB_CHANNELS, fit_filters
from outtake.models.normalisation import (
    CAFFE_PIXELS,
    IMAGENET_PIXELS,
    INCEPTION_PIXELS,
    PixelScale,
)
from outtake.models.pixel_conversion import convert_filters
from outtake.models.weight_files import PREFIXES, read_weights, unwrap_names

_AUTO = "auto"
_PIXELS = {
    "torchvision": IMAGENET_PIXELS,
    "caffe": CAFFE_PIXELS,
    "inception": INCEPTION_PIXELS,
}
_WORDS = {
    "torchvision": "RGB with ImageNet's mean and deviation",
    "caffe": "BGR in 0 to 255 minus the mean",
    "inception": "RGB in -1 to 1",
}
_KEY = "model.encoder_weights"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Layout:
    """How a kind of file names the layers.

    Attributes:
        title: The kind, for messages.
        names: The names of the layers in the file by their names in the network; empty where all
            are the same.
        first: The name of the first convolution in the file, by which the layout is known.
        pixels: What values the first filters were learnt on: torchvision, caffe or inception.
    """

    title: str
    names: Mapping[str, str]
    first: str
    pixels: str


def _number(names: tuple[str, ...], numbers: tuple[int, ...], head: tuple[int, int]) -> Layout:
    layers = {name: f"features.{number}" for name, number in zip(names, numbers, strict=True)}
    layers |= {"fc6": f"classifier.{head[0]}", "fc7": f"classifier.{head[1]}"}
    return Layout("torchvision", layers, "features.0", "torchvision")


def _same(names: tuple[str, ...]) -> Layout:
    layers = {name: name for name in (*names, "fc6", "fc7")}
    return Layout("Caffe", layers, names[0], "caffe")


_VGG16 = tuple(
    f"conv{b}_{n}" for b, count in enumerate((2, 2, 3, 3, 3), 1) for n in range(1, count + 1)
)
_ALEXNET = tuple(f"conv{number}" for number in range(1, 6))
VGG16_LAYOUTS = (
    _number(_VGG16, (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28), (0, 3)),
    _same(_VGG16),
)
ALEXNET_LAYOUTS = (_number(_ALEXNET, (0, 3, 6, 8, 10), (1, 4)), _same(_ALEXNET))
GOOGLENET_LAYOUTS = (Layout("torchvision", {}, "conv1.conv", "inception"),)


def load_classifier(
    net: nn.Module,
    weights: str | None,
    layouts: tuple[Layout, ...],
    weights_pixels: str = _AUTO,
    pixel_scale: Mapping[str, Any] | None = None,
) -> None:
    """Load a classifier's file into a network, in place; score layers stay as they are.

    The first filters are converted from the values that they were learnt on to those that the
    network sees, exactly but for the border, which is padded with another grey.

    Args:
        net: The network.
        weights: The path of the file; None does nothing.
        layouts: The layouts that the file may have.
        weights_pixels: ``auto``, or the values that the first filters were learnt on:
            ``torchvision`` (RGB, ImageNet's mean and deviation), ``caffe`` (BGR in 0 to 255 minus
            the mean) or ``inception`` (RGB in -1 to 1). ``auto`` goes by the layout, which is
            wrong for weights of Caffe under the names of torchvision.
        pixel_scale: The fields of the :class:`PixelScale` of the network; None converts nothing.

    Raises:
        ConfigError: ``weights_pixels`` is none of these.
        WeightsError: The file is missing, has another layout, or does not fit.
    """
    if weights_pixels not in (_AUTO, *_PIXELS):
        allowed = ", ".join((_AUTO, *_PIXELS))
        raise ConfigError(f"model.weights_pixels={weights_pixels}: allowed are {allowed}")
    if weights is None:
        return
    if weights == "imagenet":
        raise WeightsError(
            "model.encoder_weights=imagenet: this network takes a file, because fc6 and fc7 are "
            "needed too; give the path of torchvision's or of one converted from Caffe"
        )
    path = Path(weights).expanduser()
    state = _strip_prefix(unwrap_names(read_weights(path, _KEY)), layouts)
    layout = next((each for each in layouts if f"{each.first}.weight" in state), None)
    if layout is None:
        known = " or ".join(f"{each.first}.weight ({each.title})" for each in layouts)
        raise WeightsError(f"{_KEY}={path}: no such classifier; it holds no {known}")
    pixels = layout.pixels if weights_pixels == _AUTO else weights_pixels
    taken = _rename(net, state, layout)
    first = next(iter(layout.names)) if layout.names else layout.first
    own = None if pixel_scale is None else PixelScale(**pixel_scale)
    _fit_first(net, taken, first, _PIXELS[pixels], own)
    _check_fit(net, taken, first, path)
    net.load_state_dict(taken, strict=False)
    guessed = " (by its names; model.weights_pixels says otherwise)"
    converted = "converted to those of normalize" if pixel_scale is not None else "not converted"
    log.info(
        f"{path}: {layout.title}'s layout; its first filters are for {_WORDS[pixels]}"
        f"{guessed if weights_pixels == _AUTO else ''}, {converted}"
    )


def _strip_prefix(
    state: dict[str, torch.Tensor], layouts: tuple[Layout, ...]
) -> dict[str, torch.Tensor]:
    firsts = [f"{layout.first}.weight" for layout in layouts]
    for prefix in PREFIXES:
        if any(prefix + first in state for first in firsts):
            return {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _rename(
    net: nn.Module, state: Mapping[str, torch.Tensor], layout: Layout
) -> dict[str, torch.Tensor]:
    """Return the tensors of the network that the file holds, by the network's names."""
    taken = {}
    for key, own in net.state_dict().items():
        layer, _, kind = key.rpartition(".")
        found = state.get(f"{layout.names.get(layer, '') if layout.names else layer}.{kind}")
        if found is None:
            continue
        if found.dim() == 2 and own.dim() == 4 and found.numel() == own.numel():
            found = found.reshape(own.shape)  # a fully connected layer
        taken[key] = found
    return taken


def _fit_first(
    net: nn.Module,
    taken: dict[str, torch.Tensor],
    first: str,
    given: PixelScale,
    own: PixelScale | None,
) -> None:
    """Make the first filters fit the channels and the values that the network sees, in place.

    Where there are no such values the filters are adapted to the channels alone.
    """
    key = f"{first}.weight"
    weight = taken[key].float()
    if own is None:
        fitting = fit_filters(weight, net.state_dict()[key])
        taken[key] = weight if fitting is None else fitting
        return
    if weight.dim() != 4 or weight.shape[1] != len(given.mean):
        return  # which does not fit
    taken[key], shift = convert_filters(weight, given, own)
    if f"{first}.bias" in taken:
        taken[f"{first}.bias"] = taken[f"{first}.bias"] + shift
    elif (norm := f"{first.rpartition('.')[0]}.bn.running_mean") in taken:
        # Without a bias, the batch normalisation after the convolution takes it.
        taken[norm] = taken[norm] - shift


def _check_fit(net: nn.Module, taken: Mapping[str, torch.Tensor], first: str, path: Path) -> None:
    """Raise a WeightsError unless the file has all of the network but its score layers."""
    own = {
        key: value
        for key, value in net.state_dict().items()
        if not key.startswith("score_") and not key.endswith("num_batches_tracked")
    }
    missing = [key for key in own if key not in taken]
    wrong = [key for key, value in taken.items() if key in own and value.shape != own[key].shape]
    if missing:
        raise WeightsError(
            f"{_KEY}={path} lacks {len(missing)} of {len(own)} tensors of {type(net).__name__}, "
            f"the first is {missing[0]}; give a whole classifier, fully connected layers included"
        )
    if wrong == [f"{first}.weight"]:
        given = tuple(taken[wrong[0]].shape)
        raise WeightsError(
            f"{_KEY}={path} does not fit {type(net).__name__}: its first filters {wrong[0]} have "
            f"the shape {given}, and only those for {RGB_CHANNELS} channels are adapted to other "
            "images; give a classifier of RGB"
        )
    if wrong:
        shapes = f"{tuple(taken[wrong[0]].shape)}, not {tuple(own[wrong[0]].shape)}"
        raise WeightsError(
            f"{_KEY}={path} does not fit {type(net).__name__}: {len(wrong)} of {len(own)} tensors "
            f"have another shape, the first is {wrong[0]} with {shapes}; model.width must be 1 "
            "(and model.variant, where there is one, that of the file)"
        )
