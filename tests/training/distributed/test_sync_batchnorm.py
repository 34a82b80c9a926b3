"""Batch normalisation of the global batch: what is replaced, and what stays."""

from __future__ import annotations

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import nn

from outtake.training import collectives
from outtake.training.distributed.sync_batchnorm import AllReduceBatchNorm, SyncBatchNormPlugin


def network() -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), BatchNormAct2d(4, act_layer=nn.ReLU))
    for layer in net[1:]:
        nn.init.uniform_(layer.weight, 0.5, 2.0)
        nn.init.uniform_(layer.bias, -1.0, 1.0)
    return net


@pytest.mark.parametrize("on_gpu", [False, True])
def test_layers_are_replaced_with_their_names_tensors_and_activations(on_gpu: bool) -> None:
    before, net = network(), network()
    changed = SyncBatchNormPlugin(on_gpu=on_gpu).apply(net)
    kind = nn.SyncBatchNorm if on_gpu else AllReduceBatchNorm
    assert [isinstance(layer, kind) for layer in changed] == [False, True, True]
    state, wanted = changed.state_dict(), before.state_dict()
    assert state.keys() == wanted.keys()
    assert all(torch.equal(state[name], wanted[name]) for name in wanted)
    images = torch.randn(2, 3, 5, 5)
    assert torch.equal(changed.eval()(images), before.eval()(images))
    assert (changed(images) >= 0).all(), "the activation is there"


@pytest.mark.parametrize("momentum", [0.1, None])
def test_the_sums_give_what_torch_gives(
    monkeypatch: pytest.MonkeyPatch, momentum: float | None
) -> None:
    # A group of one that sums: the layer takes the way that it takes among several.
    monkeypatch.setattr("outtake.training.distributed.sync_batchnorm.world_size", lambda: 2)
    monkeypatch.setattr(
        "outtake.training.distributed.sync_batchnorm.all_reduce_sum_with_gradient",
        lambda values: values,
    )
    torch.manual_seed(1)
    plain = nn.BatchNorm2d(3, momentum=momentum).double()
    summed = SyncBatchNormPlugin(on_gpu=False).apply(nn.Sequential(plain))[0]
    plain = nn.BatchNorm2d(3, momentum=momentum).double()
    images = torch.randn(4, 3, 6, 5, dtype=torch.float64) * 3 + 7
    one, other = images.clone().requires_grad_(), images.clone().requires_grad_()
    for _ in range(2):
        wanted, got = plain(one), summed(other)
        assert torch.allclose(got, wanted, atol=1e-12)
    weights = torch.randn_like(wanted)
    (wanted * weights).sum().backward()
    (got * weights).sum().backward()
    assert torch.allclose(one.grad, other.grad, atol=1e-12)
    for name, buffer in plain.named_buffers():
        assert torch.allclose(buffer, summed.get_buffer(name))


def test_half_precision_goes_in_and_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outtake.training.distributed.sync_batchnorm.world_size", lambda: 2)
    monkeypatch.setattr(
        "outtake.training.distributed.sync_batchnorm.all_reduce_sum_with_gradient",
        lambda values: values,
    )
    layer = SyncBatchNormPlugin(on_gpu=False).apply(nn.Sequential(nn.BatchNorm2d(3)))[0]
    assert layer(torch.randn(2, 3, 4, 4).bfloat16()).dtype == torch.bfloat16


def test_alone_every_collective_is_trivial() -> None:
    values = torch.tensor([1.0, 2.0])
    assert collectives.world_size() == 1
    assert torch.equal(collectives.all_reduce_sum(values), values)
    assert collectives.all_reduce_mean(values[0], 3, weighted=True) == (values[0], 3)
    assert collectives.all_reduce_max(7, values.device) == 7 and collectives.all_gather("x") == [
        "x"
    ]
    assert collectives.all_reduce_sum_with_gradient(values) is values
