"""Which filters of an encoder can be converted, and how they are found."""

from __future__ import annotations

import copy

import pytest
import torch
from timm.layers import StdConv2d
from torch import nn

from outtake.models.normalisation import CAFFE_PIXELS, INCEPTION_PIXELS
from outtake.models.pixel_conversion import convert_first_convolutions, run_on_zeros


def convert(net: nn.Module) -> dict[str, torch.Tensor] | None:
    find = net.state_dict().get
    return convert_first_convolutions(net, find, INCEPTION_PIXELS, CAFFE_PIXELS, 8)


class Sum(nn.Module):
    """Two convolutions of the image."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4))
        self.narrow = nn.Conv2d(3, 4, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        total: torch.Tensor = self.wide(image) + self.narrow(image)[..., 1:-1, 1:-1]
        return total


@pytest.mark.parametrize(
    ("net", "changed"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), ["0.weight", "0.bias"]),
        (
            nn.Sequential(nn.Identity(), nn.Conv2d(3, 4, 2, bias=False), nn.BatchNorm2d(4)),
            ["1.weight", "2.running_mean"],
        ),
        (Sum(), ["wide.0.weight", "wide.1.running_mean", "narrow.weight", "narrow.bias"]),
    ],
)
def test_all_first_convolutions_are_converted(net: nn.Module, changed: list[str]) -> None:
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean = torch.randn(4)
    converted = convert(net)
    assert converted is not None and list(converted) == changed
    other = copy.deepcopy(net)
    other.load_state_dict(converted, strict=False)
    image = 255 * torch.rand(2, 3, 8, 8)
    given = (image - 127.5) / 127.5
    own = image.flip(1) - torch.tensor(CAFFE_PIXELS.mean).view(3, 1, 1)
    with torch.no_grad():
        assert torch.allclose(other.eval()(own), net.eval()(given), atol=1e-4)


@pytest.mark.parametrize(
    "net",
    [
        nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.ReLU()),  # nothing takes the shift
        nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.GroupNorm(2, 4)),
        nn.Sequential(StdConv2d(3, 4, 3), nn.BatchNorm2d(4)),
        nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, 4, 1)),
        nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1)),
        nn.Sequential(nn.Conv2d(3, 3, 3, groups=3), nn.BatchNorm2d(3)),
    ],
)
def test_others_are_not(net: nn.Module) -> None:
    assert convert(net) is None


def test_a_run_on_an_empty_image_leaves_no_trace() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.5)).train()
    before, drawn = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    assert run_on_zeros(net, 3, 8).shape == (1, 3, 8, 8)
    assert net[2].training and torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    convert(net)
    assert not any(layer._forward_hooks for layer in net)
