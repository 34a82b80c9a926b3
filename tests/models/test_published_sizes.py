"""Networks of papers have the layers, the context and about the weights that the papers name."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from outtake.config.build_network import build_net
from outtake.config.compose import compose
from outtake.core.errors import ConfigError
from outtake.models.fc_densenet import FCDenseNet
from outtake.models.fcn_flat import FCNFlat
from outtake.models.segnet import SegNet

CAMVID_CLASSES = 11


def build(option: str) -> nn.Module:
    with torch.device("meta"):
        return build_net(compose("train", [f"model={option}"]).model, CAMVID_CLASSES, 3)


def millions(net: nn.Module) -> float:
    """The weights that are used in evaluation."""
    named = net.named_parameters()
    return sum(w.numel() for name, w in named if not name.startswith("auxiliary_heads.")) / 1e6


@pytest.mark.parametrize(
    ("option", "published"),
    [
        ("fc_densenet56", 1.5),  # the paper's table rounds 1.377 up
        ("fc_densenet67", 3.5),
        ("fc_densenet103", 9.4),
        ("enet", 0.37),
        ("segnet", 29.46),
        ("ddrnet23_slim", 5.7),
        ("pidnet_s", 7.6),
        ("bisenet_v2", 3.4),
    ],
)
def test_the_weights_are_as_many_as_published(option: str, published: float) -> None:
    assert millions(build(option)) == pytest.approx(published, rel=0.085)


@pytest.mark.parametrize("layers", [56, 67, 103])
def test_an_fc_densenet_has_as_many_layers_as_its_name_says(layers: int) -> None:
    net = build(f"fc_densenet{layers}")
    kinds = nn.Conv2d | nn.ConvTranspose2d
    assert sum(isinstance(each, kinds) for each in net.modules()) == layers


def test_a_dense_block_enlarges_only_what_it_added() -> None:
    net = build("fc_densenet103")
    assert isinstance(net, FCDenseNet)
    added = [16 * layers for layers in (15, 12, 10, 7, 5)]
    assert [each.in_channels for each in net.enlarge] == added


def test_the_flat_fcn_never_downsamples_and_sees_as_far_as_it_says() -> None:
    torch.manual_seed(0)
    net = FCNFlat(2, width=4, dilations=(1, 2, 4)).double().eval()
    assert {each.stride for each in net.modules() if isinstance(each, nn.Conv2d)} == {(1, 1)}
    assert net.receptive_px == 15
    image = torch.randn(1, 3, 41, 41, dtype=torch.float64, requires_grad=True)
    net(image)[0, :, 20, 20].sum().backward()
    assert image.grad is not None
    seen = image.grad[0].abs().sum(0).nonzero()
    assert seen.min() == 20 - 7 and seen.max() == 20 + 7
    # Yu and Koltun's context module: 67 px.
    assert FCNFlat(2, width=1, dilations=(1, 1, 2, 4, 8, 16, 1)).receptive_px == 67


def test_the_encoder_of_segnet_has_the_names_of_vgg16_bn() -> None:
    from torchvision.models import vgg16_bn

    with torch.device("meta"):
        expected = vgg16_bn(weights=None).features.state_dict()
        own = SegNet(2).encoder.features.state_dict()
    assert {key: value.shape for key, value in own.items()} == {
        key: value.shape for key, value in expected.items()
    }


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: FCNFlat(2, dilations=()), "give a list of whole numbers above 0"),
        (lambda: FCNFlat(2, dilations=(0,)), r"model\.dilations=\(0,\)"),
        (lambda: SegNet(2, widths=(8, 8)), "2 stages and model.depths 5"),
        (lambda: FCDenseNet(2, block_layers=(4,)), "the bottom one"),
    ],
)
def test_a_wrong_option_says_what_is_allowed(make, said) -> None:
    with pytest.raises(ConfigError, match=said):
        make()
