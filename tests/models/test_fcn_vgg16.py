"""The paper's networks on VGG-16: crops, scores, scales and shapes are those of its authors."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from outtake.core.errors import ConfigError
from outtake.models.fcn_vgg16 import FCNVGG16

WIDTH = 1 / 32


@pytest.mark.parametrize(
    ("stride", "offsets"),
    [
        (32, {"image": 19}),
        (16, {"pool4": 5, "image": 27}),
        (8, {"pool4": 5, "pool3": 9, "image": 31}),
    ],
)
def test_maps_are_cropped_where_the_authors_networks_crop_them(stride, offsets) -> None:
    assert FCNVGG16(2, stride=stride, width=WIDTH).crop_offsets == offsets


@pytest.mark.parametrize("size", [(1, 1), (45, 71), (64, 33)])
@pytest.mark.parametrize("stride", [32, 16, 8])
def test_logits_have_exactly_the_inputs_size(stride, size) -> None:
    net = FCNVGG16(3, stride=stride, width=WIDTH, in_channels=2).eval()
    with torch.inference_mode():
        assert net(torch.rand(2, 2, *size)).shape == (2, 3, *size)


def test_the_whole_network_has_the_published_layers() -> None:
    with torch.device("meta"):
        net = FCNVGG16(21, stride=8)
        assert net(torch.empty(1, 3, 500, 375)).shape == (1, 21, 500, 375)
    shapes = {name: tuple(weight.shape) for name, weight in net.named_parameters()}
    classifier = 138_357_544 - (4096 + 1) * 1000  # VGG-16 without its last layer
    scores = (4096 + 512 + 256 + 3) * 21
    assert sum(weight.numel() for weight in net.parameters()) == classifier + scores
    assert shapes["fc6.weight"] == (4096, 512, 7, 7) and shapes["fc7.weight"] == (4096, 4096, 1, 1)
    assert shapes["score_fr.weight"] == (21, 4096, 1, 1)
    assert shapes["score_pool4.weight"] == (21, 512, 1, 1), "pool4, after the pooling"
    assert shapes["score_pool3.weight"] == (21, 256, 1, 1)
    assert net.conv1_1.padding == (100, 100)


def test_scores_start_at_zero_and_upsampling_has_no_weights() -> None:
    net = FCNVGG16(3, stride=8, width=WIDTH).eval()
    assert not net(torch.rand(1, 3, 20, 20)).any()
    layers = {name.partition(".")[0] for name, _ in net.named_parameters()}
    assert not any(name.startswith("up") for name in layers)


def test_maps_lie_where_they_belong_in_the_image() -> None:
    """A network that only passes the first channel on gives the image back, moved by nothing."""
    net = FCNVGG16(1, stride=8, width=WIDTH, in_channels=1).eval()
    with torch.no_grad():
        for name, weight in net.named_parameters():
            weight.zero_()
            if name.startswith("conv") and name.endswith("weight"):
                weight[0, 0, 1, 1] = 1.0
        net.score_pool3.weight[0, 0] = 1.0
    image = torch.zeros(1, 1, 96, 96)
    image[..., 40:56, 24:40] = 1.0
    with torch.inference_mode():
        logits = net(image)[0, 0]
    places = torch.arange(96, dtype=torch.float32)
    # A cell of pool3 has the largest value of 8x8 pixels, the first of them at -99: the square
    # touches the cells of rows 37 to 60, and of columns 21 to 44.
    for sums, centre in ((logits.sum(1), (37 + 60) / 2), (logits.sum(0), (21 + 44) / 2)):
        assert float((sums * places).sum() / sums.sum()) == pytest.approx(centre)


def test_at_once_scales_pool4_and_pool3() -> None:
    torch.manual_seed(0)
    plain = FCNVGG16(2, stride=8, width=WIDTH, dropout=0.0)
    at_once = FCNVGG16(2, stride=8, at_once=True, width=WIDTH)
    nn.init.normal_(plain.score_pool4.weight)
    nn.init.normal_(plain.score_pool3.weight)
    at_once.load_state_dict(plain.state_dict())
    with torch.no_grad():
        plain.score_pool4.weight.mul_(0.01)
        plain.score_pool3.weight.mul_(0.0001)
    image = torch.rand(1, 3, 40, 40)
    expected, found = plain.eval()(image), at_once.eval()(image)
    assert expected.abs().max() > 0 and torch.allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize(("stride", "at_once"), [(32, False), (16, False), (8, False), (8, True)])
def test_each_trains_its_score_layers_in_one_step(stride, at_once) -> None:
    torch.manual_seed(0)
    net = FCNVGG16(2, stride=stride, at_once=at_once, width=WIDTH)
    target = (torch.arange(32) < 16).long().expand(1, 32, 32)
    image = target[:, None].float().expand(1, 3, 32, 32)
    optimizer = torch.optim.SGD(net.parameters(), 1e-3)
    before = F.cross_entropy(net.eval()(image), target)
    F.cross_entropy(net.train()(image), target).backward()
    optimizer.step()
    assert all(weight.grad is not None for weight in net.parameters())
    assert net.score_fr.weight.any()
    assert F.cross_entropy(net.eval()(image), target) < before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"stride": 4}, "allowed are 8, 16 and 32"),
        ({"stride": 16, "at_once": True}, "only 8 has it"),
        ({"width": 0}, "must be above 0"),
    ],
)
def test_a_wrong_option_says_what_is_allowed(arguments, said) -> None:
    with pytest.raises(ConfigError, match=said):
        FCNVGG16(2, **arguments)
