from __future__ import annotations

import pytest
import torch
from torch import nn

from outtake.core.errors import ConfigError
from outtake.models.fcn import FCN


def test_vgg_skips_are_after_the_pooling_as_in_the_paper() -> None:
    net = FCN(2, "vgg16_bn", stride=8)
    widths = [score.in_channels for score in net.skip_scores]
    assert widths == [512, 256], "pool4 has 512 channels, pool3 has 256"


def test_the_papers_fully_connected_layers_can_be_had() -> None:
    net = FCN(2, "mobilenet_v2", fc_channels=64, fc_kernel=7)
    assert net.score.in_channels == 64
    assert net.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 2, 64, 64)


def test_an_fcn_learns_a_picture() -> None:
    torch.manual_seed(0)
    image, target = torch.zeros(2, 3, 32, 32), torch.zeros(2, 32, 32, dtype=torch.long)
    image[:, :, :, 16:], target[:, :, 16:] = 1.0, 1
    net = FCN(2, "tu-mobilenetv3_small_050", dropout=0.0)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-2)
    for _ in range(12):
        loss = nn.functional.cross_entropy(net(image), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (net(image).argmax(1) == target).float().mean() > 0.9


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"stride": 4}, "allowed are 8, 16 and 32"),
        ({"upsampling": "cubic"}, "allowed are frozen, learned"),
        ({"encoder_name": "resnet19"}, "did you mean"),
        ({"encoder_name": "tu-regnetx_005"}, "did you mean"),
    ],
)
def test_a_wrong_option_says_what_is_allowed(arguments, said) -> None:
    with pytest.raises(ConfigError, match=said):
        FCN(2, **arguments)
