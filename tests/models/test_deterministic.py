"""What ``trainer.deterministic=true`` asks of networks and losses on CUDA, without a GPU.

Tensors without content that say they are on CUDA take the ways that CUDA takes; the graph of the
gradient names its operations, and torch's documentation says which of them it refuses.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.nn import functional as F

from outtake.apps.config import compose
from outtake.build import build_net, instantiate
from outtake.models.pooling import AdaptiveAvgPool2d, averaging_matrix, pool_deterministically
from tests.test_conf import options

# Of the list in torch.use_deterministic_algorithms, as nodes of a gradient's graph.
REFUSED = (
    "AvgPool3D",
    "AdaptiveAvgPool2D",
    "AdaptiveAvgPool3D",
    "AdaptiveMaxPool2D",
    "FractionalMaxPool",
    "MaxUnpool",
    "UpsampleLinear",
    "UpsampleBilinear",
    "UpsampleBicubic",
    "UpsampleTrilinear",
    "ReflectionPad",
    "CtcLoss",
    "EmbeddingBag",
    "GridSampler",
    "Put",
    "Median",
)


@pytest.fixture(autouse=True)
def only_deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def operations(result: torch.Tensor) -> set[str]:
    """Return the names of the nodes behind a tensor."""
    found, names, ahead = set(), set(), [result.grad_fn]
    while ahead:
        node = ahead.pop()
        if node is not None and node not in found:
            found.add(node)
            names.add(type(node).__name__)
            ahead += [before for before, _ in node.next_functions]
    return names


def refused(result: torch.Tensor) -> set[str]:
    names = operations(result)
    assert len(names) > 1
    return {name for name in names if name.startswith(REFUSED)}


def test_the_check_finds_what_torch_refuses() -> None:
    with FakeTensorMode(), torch.device("cuda"):
        x = torch.zeros(1, 3, 12, 12, requires_grad=True)
        assert refused(F.adaptive_avg_pool2d(x, 2)) == {"AdaptiveAvgPool2DBackward0"}
        assert refused(F.pad(x, (1, 1, 1, 1), "reflect")) == {"ReflectionPad2DBackward0"}
        assert not refused(F.interpolate(x, scale_factor=2, mode="bilinear"))


@pytest.mark.parametrize("model", [name for name in options("model") if name != "custom"])
def test_every_network_trains_deterministically_on_cuda(model: str) -> None:
    net = build_net(compose("train", [f"model={model}"]).model, 5, 3)
    state = [*net.named_parameters(), *net.named_buffers()]
    with FakeTensorMode(), torch.device("cuda"):
        there = {
            name: torch.empty(tensor.shape, dtype=tensor.dtype, requires_grad=tensor.requires_grad)
            for name, tensor in state
        }
        logits = functional_call(net, there, torch.empty(2, 3, 224, 224))
        assert logits.is_cuda and not refused(logits)


@pytest.mark.parametrize("loss", options("loss"))
def test_every_loss_does_too(loss: str) -> None:
    criterion = instantiate(compose("train", [f"loss={loss}"]).loss, ignore_index=255)
    with FakeTensorMode(), torch.device("cuda"):
        logits = torch.zeros(2, 5, 16, 16, requires_grad=True)
        assert not refused(criterion(logits, torch.zeros(2, 16, 16, dtype=torch.long)))


@pytest.mark.parametrize("size", [1, 2, 3, 6, (4, 7), 17])
@pytest.mark.parametrize("shape", [(17, 23), (6, 6), (48, 64)])
def test_pooling_is_that_of_torch(size: int | tuple[int, int], shape: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *shape, dtype=torch.float64)
    rows, columns = size if isinstance(size, tuple) else (size, size)
    matrices = [
        averaging_matrix(*each).double() for each in zip(shape, (rows, columns), strict=True)
    ]
    torch.testing.assert_close(
        matrices[0] @ x @ matrices[1].T, F.adaptive_avg_pool2d(x, size), atol=1e-6, rtol=1e-6
    )


def test_only_pooling_to_several_cells_is_replaced() -> None:
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Sequential(nn.AdaptiveAvgPool2d((2, 3))))
    pool_deterministically(net)
    assert type(net[0]) is nn.AdaptiveAvgPool2d
    assert type(net[1][0]) is AdaptiveAvgPool2d and net[1][0].output_size == (2, 3)
    x = torch.randn(1, 2, 8, 9)
    assert torch.equal(net[1](x), F.adaptive_avg_pool2d(x, (2, 3)))
