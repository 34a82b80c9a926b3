from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from outtake.core.errors import ConfigError
from outtake.models.fcn_alexnet import FCNAlexNet, normalise_local_response


@pytest.mark.parametrize("size", [(1, 1), (45, 71), (64, 33)])
def test_logits_have_exactly_the_inputs_size(size) -> None:
    net = FCNAlexNet(3, width=1 / 16, in_channels=2).eval()
    assert net.crop_offset == 18, "as the authors' network"
    with torch.inference_mode():
        assert net(torch.rand(2, 2, *size)).shape == (2, 3, *size)


@pytest.mark.parametrize(
    ("variant", "conv2"), [("caffenet", (256, 48, 5, 5)), ("torchvision", (192, 64, 5, 5))]
)
def test_the_whole_network_has_the_published_layers(variant, conv2) -> None:
    with torch.device("meta"):
        net = FCNAlexNet(21, variant=variant)
        assert net(torch.empty(1, 3, 375, 500)).shape == (1, 21, 375, 500)
    assert net.conv2.weight.shape == conv2
    assert net.fc6.weight.shape == (4096, 256, 6, 6)


@pytest.mark.parametrize("variant", ["caffenet", "torchvision"])
def test_it_trains_its_score_layer_in_one_step(variant) -> None:
    torch.manual_seed(0)
    net = FCNAlexNet(2, variant=variant, width=1 / 16)
    target = (torch.arange(32) < 16).long().expand(1, 32, 32)
    image = target[:, None].float().expand(1, 3, 32, 32)
    optimizer = torch.optim.SGD(net.parameters(), 1e-3)
    before = F.cross_entropy(net.eval()(image), target)
    F.cross_entropy(net.train()(image), target).backward()
    optimizer.step()
    assert F.cross_entropy(net.eval()(image), target) < before


def test_a_variant_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="allowed are caffenet, torchvision"):
        FCNAlexNet(2, variant="alexnet")


def test_local_responses_are_normalised_as_torch_does() -> None:
    maps = 100 * torch.randn(2, 7, 3, 4)
    expected = F.local_response_norm(maps, 5, alpha=1e-4, beta=0.75)
    assert torch.allclose(normalise_local_response(maps), expected)
