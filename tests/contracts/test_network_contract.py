"""Every network maps images of any size and any number of channels to logits of that size."""

from __future__ import annotations

import itertools

import pytest
import segmentation_models_pytorch as smp
import torch

from outtake.models.fcn import FCN
from outtake.models.smp import SmpNet
from tests.tiers import keep_few

SIZES = [(64, 96), (45, 71), (1, 33)]
BACKBONES = ["vgg16_bn", "resnet18", "mobilenet_v2", "efficientnet-b0", "tu-mobilenetv3_small_050"]


def architectures() -> list[str]:
    return sorted(smp.MODEL_ARCHITECTURES_MAPPING)


def encoder_for(architecture: str) -> str:
    return "tu-vit_tiny_patch16_224" if architecture == "dpt" else "resnet18"


def options_for(architecture: str) -> dict[str, bool]:
    return {"dynamic_img_size": True} if architecture == "dpt" else {}


CASES = list(itertools.product(BACKBONES, (8, 16, 32), SIZES))


@pytest.mark.parametrize(
    ("encoder", "stride", "size"),
    keep_few(CASES, [case for case in CASES if case[0] != "vgg16_bn" or case[2] == SIZES[1]]),
)
def test_fcn_gives_logits_at_the_inputs_size(encoder, stride, size) -> None:
    net = FCN(4, encoder, stride=stride).eval()
    with torch.inference_mode():
        assert net(torch.zeros(2, 3, *size)).shape == (2, 4, *size)


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("architecture", architectures())
def test_every_smp_architecture_takes_any_size_and_channels(architecture, channels) -> None:
    net = SmpNet(
        architecture,
        4,
        encoder_for(architecture),
        in_channels=channels,
        **options_for(architecture),
    ).eval()
    with torch.inference_mode():
        assert net(torch.zeros(1, channels, 45, 71)).shape == (1, 4, 45, 71)
