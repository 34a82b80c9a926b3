from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from outtake.models.fcn_googlenet import FCNGoogLeNet


@pytest.fixture(scope="module")
def net() -> FCNGoogLeNet:
    torch.manual_seed(0)
    return FCNGoogLeNet(3, in_channels=2)


@pytest.mark.parametrize("size", [(1, 1), (45, 71), (64, 33)])
def test_logits_have_exactly_the_inputs_size(net: FCNGoogLeNet, size) -> None:
    with torch.inference_mode():
        assert net.eval()(torch.rand(2, 2, *size)).shape == (2, 3, *size)


def test_cells_lie_where_they_belong_in_the_image(net: FCNGoogLeNet) -> None:
    # Through 3 + 1 + 2 + 4 + 8 pixels to the centre of the first cell, 100 before the image; the
    # upsampled map begins 31 pixels before that.
    assert net.crop_offset == 100 - (3 + 2 + 4 + 8 + 8) + 31


def test_it_trains_its_score_layer_in_one_step(net: FCNGoogLeNet) -> None:
    target = (torch.arange(32) < 16).long().expand(2, 32, 32)
    image = target[:, None].float().expand(2, 2, 32, 32)
    optimizer = torch.optim.SGD(net.parameters(), 1e-2)
    logits = net.train()(image)
    assert not logits.any(), "scores start at zero"
    F.cross_entropy(logits, target).backward()
    optimizer.step()
    assert net.score_fr.weight.any() and all(p.grad is not None for p in net.parameters())
