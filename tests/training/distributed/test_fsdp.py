from __future__ import annotations

import torch
from torch import nn

from outtake.config.build_network import build_net
from outtake.config.compose import compose
from outtake.training.distributed.fsdp import _optimized_names, shardable_modules


class Past(nn.Module):
    """Calls one pair of layers as a block, and those of another past the block."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.block, self.past = (
            nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1, stride)) for _ in range(2)
        )
        self.listed = nn.ModuleList([nn.Sequential(nn.Conv2d(3, 3, 1))])
        self.stride = stride

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert self.stride == 1 or images.shape[-1] > 32
        for layer in (self.block, *self.past, *self.listed):
            images = layer(images)
        return images


def test_only_what_is_called_is_divided_by_itself() -> None:
    net = Past(stride=1)
    assert shardable_modules(net, 3) == {net, net.block, net.listed[0]}
    net = Past(stride=2)  # cannot be probed: all that could be called
    assert shardable_modules(net, 3) == {net, net.block, net.past, net.listed[0]}


def test_a_transformer_of_timm_is_not_divided_where_its_parts_are_called_past_it() -> None:
    net = build_net(compose("train", ["model=dpt"]).model, 3, 3)
    names = {module: name for name, module in net.named_modules()}
    blocks = {names[module] for module in shardable_modules(net, 3)}
    assert {"", "net.encoder", "net.decoder", "net.encoder.model.blocks.0"} <= blocks
    assert not {"net.encoder.model", "net.encoder.model.blocks"} & blocks


def test_weights_are_named_in_the_order_of_the_optimizer_which_groups_change() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    net[0].bias.requires_grad_(False)
    groups = [{"params": [net[1].weight, net[0].weight]}, {"params": [net[1].bias]}]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    assert _optimized_names(net, optimizer) == ["1.weight", "0.weight", "1.bias"]
