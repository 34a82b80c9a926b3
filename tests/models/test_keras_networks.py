from __future__ import annotations

import pytest
import torch
from torch import nn

from outtake.config.compose import CONF_DIR
from outtake.config.group_overrides import list_options
from outtake.core.errors import ConfigError
from outtake.models.encoder import make_encoder
from outtake.models.keras_networks import KerasPSPNet, LevelEncoder

# The names of the library's own list, less unet3_plus, which it added later.
NAMES = [
    "fcn_8",
    "fcn_32",
    "fcn_8_vgg",
    "fcn_32_vgg",
    "fcn_8_resnet50",
    "fcn_32_resnet50",
    "fcn_8_mobilenet",
    "fcn_32_mobilenet",
    "pspnet",
    "vgg_pspnet",
    "resnet50_pspnet",
    "pspnet_50",
    "pspnet_101",
    "unet_mini",
    "unet",
    "vgg_unet",
    "resnet50_unet",
    "mobilenet_unet",
    "segnet",
    "vgg_segnet",
    "resnet50_segnet",
    "mobilenet_segnet",
]


def test_all_22_names_are_there() -> None:
    assert list_options(CONF_DIR / "model" / "keras") == sorted(NAMES) and len(NAMES) == 22


@pytest.mark.parametrize(
    ("name", "widths"),
    [
        ("plain", [64, 128, 256, 256, 256]),
        ("vgg16", [64, 128, 256, 512, 512]),
        ("resnet50", [64, 256, 512, 1024, 2048]),
        ("tu-mobilenetv1_100", [64, 128, 256, 512, 1024]),
    ],
)
def test_levels_are_those_of_the_library_and_no_layer_is_idle(name: str, widths: list) -> None:
    for levels in (4, 5):
        with torch.device("meta"):
            encoder = LevelEncoder(name, in_channels=3, weights=None, levels=levels).eval()
            maps = encoder(torch.zeros(1, 3, 64, 96))
            maps[-1].sum().backward()
        assert encoder.widths == widths[:levels] == [each.shape[1] for each in maps]
        assert [64 // each.shape[2] for each in maps] == [2, 4, 8, 16, 32][:levels]
        assert all(weight.grad is not None for weight in encoder.parameters())


def test_dilation_keeps_the_map_at_an_eighth() -> None:
    with torch.device("meta"):
        net = KerasPSPNet(2, "resnet50", stride=8).eval()
        assert net.encoder(torch.zeros(1, 3, 32, 64))[-1].shape == (1, 2048, 4, 8)
    with (
        torch.device("meta"),
        pytest.raises(ConfigError, match=r"model\.stride=8: encoder 'vgg16' has no dilated form"),
    ):
        KerasPSPNet(2, "vgg16", stride=8)


def test_the_plain_encoder_carries_other_networks_too() -> None:
    encoder: nn.Module = make_encoder("plain", in_channels=2, depth=3)
    assert [each.shape[1] for each in encoder(torch.zeros(1, 2, 8, 8))] == [2, 64, 128, 256]
    with pytest.raises(ConfigError, match="did you mean plain"):
        make_encoder("plane")
