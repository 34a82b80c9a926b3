"""What ``trainer.deterministic=true`` asks of networks and losses on CUDA, without a GPU.

Tensors without content that say they are on CUDA take the ways that CUDA takes; the graph of the
gradient names its operations, and torch's documentation says which of them it refuses.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.nn import functional as F

from outtake.config.build_network import build_net
from outtake.config.build_task import build_loss
from outtake.config.compose import compose
from outtake.core.labels import LabelSpace
from outtake.models.deterministic_resize import MatrixResizing, _axis_matrix, deterministic_resizing
from outtake.models.normalisation import Normalize
from outtake.models.training_logits import all_logits
from outtake.training.probe_network import probe
from outtake.training.task import SegmentationTask
from tests.config.test_conf import options
from tests.small_run import narrow
from tests.tiers import keep_few

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
    _axis_matrix.cache_clear()
    yield
    _axis_matrix.cache_clear()  # of tensors without content
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


# The encoder of DPT resizes its positions where the image is not as large as it was made for.
MODELS = [name for name in options("model") if name != "custom"]
SIZES = [(160, 224), (224, 224)]
CASES = [(model, size) for model in MODELS for size in SIZES]
# Each way of enlarging and pooling once; the others are built of the same parts.
FEW = ["fcn8s", "fpn", "unet", "pspnet", "deeplabv3", "segformer", "dpt", "enet"]
FEW += ["fcn8s_paper", "fcn_flat", "segnet_small", "bisenet_v2"]


@pytest.mark.parametrize(
    ("model", "size"),
    keep_few(CASES, [(model, SIZES[0]) for model in FEW]),
)
def test_every_network_trains_deterministically_on_cuda(model: str, size: tuple[int, int]) -> None:
    cfg = compose("train", [f"model={model}", *narrow(model)])
    with torch.device("meta"):
        net = build_net(cfg.model, 5, 3)
    state = [*net.named_parameters(), *net.named_buffers()]
    with FakeTensorMode(), torch.device("cuda"):
        there = {
            name: torch.empty(tensor.shape, dtype=tensor.dtype, requires_grad=tensor.requires_grad)
            for name, tensor in state
        }
        image = torch.empty(2, 3, *size)
        with deterministic_resizing(image):
            outputs = all_logits(functional_call(net, there, image))
        for logits in outputs:
            assert logits.is_cuda and not refused(logits)
            # Indexing, by which torch's own way is deterministic, takes several times as long.
            assert not {name for name in operations(logits) if name.startswith("UnsafeIndex")}


# The losses of libraries look at values, which a fake tensor does not have.
@pytest.mark.parametrize("loss", ["cross_entropy", "cross_entropy_dice"])
def test_own_losses_do_too(loss: str) -> None:
    node = compose("train", [f"loss={loss}"]).loss
    criterion = build_loss(node, LabelSpace.from_names(list("abcde")))
    with FakeTensorMode(), torch.device("cuda"):
        logits = torch.zeros(2, 5, 16, 16, requires_grad=True)
        assert not refused(criterion(logits, torch.zeros(2, 16, 16, dtype=torch.long)))


RESIZED = [
    {"size": (17, 31), "mode": "bilinear", "align_corners": False},
    {"size": (7, 40), "mode": "bilinear", "align_corners": True},
    {"size": 5, "mode": "bilinear", "antialias": True},
    {"scale_factor": 2.0, "mode": "bilinear", "align_corners": True},
    {"scale_factor": 2.0, "mode": "bilinear"},
    {"scale_factor": (0.7, 1.9), "mode": "bilinear", "align_corners": False},
    {"scale_factor": 1.3, "mode": "bilinear", "recompute_scale_factor": True},
    {"size": [20, 9], "mode": "bicubic", "align_corners": False},
    {"size": (20, 9), "mode": "bicubic", "antialias": True},
    {"size": (6, 6), "mode": "area"},
    {"scale_factor": 0.5, "mode": "area"},
    {"size": (30, 30), "mode": "nearest"},
]


@pytest.mark.parametrize("asked", RESIZED, ids=str)
def test_resizing_by_matrices_is_that_of_torch(asked: dict) -> None:
    x = torch.randn(2, 3, 12, 17, dtype=torch.float64, requires_grad=True)
    expected = F.interpolate(x, **asked)
    slope = torch.randn_like(expected)
    (wanted,) = torch.autograd.grad(expected, x, slope)
    with torch.inference_mode(), MatrixResizing():  # what it keeps is of use in training, too
        F.interpolate(x.detach(), **asked)
    with MatrixResizing():
        result = F.interpolate(x, **asked)
    torch.testing.assert_close(result, expected, atol=1e-12, rtol=1e-12)
    (found,) = torch.autograd.grad(result, x, slope)
    torch.testing.assert_close(found, wanted, atol=1e-12, rtol=1e-12)
    if asked["mode"] != "nearest":
        assert "UnsafeViewBackward0" in operations(result) and not refused(result)


@pytest.mark.parametrize("size", [1, 2, 3, 6, (4, 7), (None, 5), 17])
@pytest.mark.parametrize("shape", [(17, 23), (6, 6), (48, 64)])
def test_pooling_by_matrices_is_that_of_torch(size: Any, shape: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *shape, dtype=torch.float64, requires_grad=True)
    pool = nn.AdaptiveAvgPool2d(size)
    with MatrixResizing():
        result = pool(x)
    torch.testing.assert_close(result, pool(x), atol=1e-12, rtol=1e-12)
    assert not refused(result)


def test_half_precision_is_resized_in_single_and_stays_channels_last() -> None:
    x = torch.randn(2, 8, 6, 10).bfloat16().to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16), MatrixResizing():
        result = F.interpolate(x, scale_factor=2.0, mode="bilinear")
    assert result.dtype == torch.bfloat16
    assert result.is_contiguous(memory_format=torch.channels_last)
    exact = F.interpolate(x.double(), scale_factor=2.0, mode="bilinear")
    torch.testing.assert_close(result, exact.bfloat16(), atol=0, rtol=0.01)


def test_without_cuda_or_without_the_wish_nothing_is_replaced() -> None:
    assert isinstance(deterministic_resizing(torch.zeros(1)), nullcontext)
    with FakeTensorMode():
        there = torch.zeros(1, device="cuda")
    assert isinstance(deterministic_resizing(there), MatrixResizing)
    torch.use_deterministic_algorithms(False)
    assert isinstance(deterministic_resizing(there), nullcontext)


REFUSED_SIZES: list[dict] = [{"size": (5,)}, {"size": (5, 5, 5)}, {"size": (5.5, 2.0)}, {}]
REFUSED_SIZES += [{"size": (4, 6), "scale_factor": 1.0}, {"scale_factor": (2.0, 2.0, 2.0)}]


@pytest.mark.parametrize("asked", REFUSED_SIZES, ids=str)
def test_what_torch_refuses_is_refused_by_torch(asked: dict) -> None:
    x = torch.zeros(1, 2, 4, 6)
    with pytest.raises((TypeError, ValueError, RuntimeError)) as wanted:
        F.interpolate(x, mode="bilinear", **asked)
    with MatrixResizing(), pytest.raises(wanted.type):
        F.interpolate(x, mode="bilinear", **asked)


def test_integers_are_rounded_as_torch_does_and_what_stays_is_not_computed() -> None:
    x = torch.randint(0, 255, (1, 2, 4, 6), dtype=torch.uint8)
    wide = torch.randn(1, 2, 4, 6).requires_grad_()
    with MatrixResizing():
        large = F.interpolate(x, (9, 9), mode="bilinear")
        same = F.interpolate(wide, (4, 6), mode="bicubic")
    assert torch.equal(large, F.interpolate(x, (9, 9), mode="bilinear"))
    assert torch.equal(same, wide) and not {n for n in operations(same) if "Mm" in n or "Mul" in n}


def test_the_trial_before_several_processes_goes_the_same_way(monkeypatch) -> None:
    seen: list[set[str]] = []

    class Pools(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.never = nn.Conv2d(3, 2, 3), nn.Conv2d(1, 1, 1)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            pooled = F.adaptive_avg_pool2d(self.conv(image), 3)
            seen.append(refused(pooled))
            return pooled

    monkeypatch.setattr(
        "outtake.training.probe_network.deterministic_resizing", lambda x: MatrixResizing()
    )
    trial = probe(Pools(), 3)
    assert trial is not None and trial.unused_parameters == ["never.weight", "never.bias"]
    assert seen and not any(seen), "torch would refuse this gradient on CUDA"


def test_a_task_trains_and_validates_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its network is."""
    net = nn.Sequential(nn.Conv2d(3, 2, 3), nn.UpsamplingBilinear2d((40, 40)))
    space = LabelSpace.from_names(("ground", "thing"))
    task = SegmentationTask(net, Normalize(3), space, nn.CrossEntropyLoss())
    images = torch.randint(0, 255, (2, 3, 30, 30), dtype=torch.uint8)
    plain, large = task(images), task.predict(images, (50, 60))
    monkeypatch.setattr("outtake.training.task.deterministic_resizing", lambda x: MatrixResizing())
    again, larger = task(images), task.predict(images, (50, 60))
    assert not refused(again) and {"UpsampleBilinear2DBackward0"} == refused(plain)
    assert not refused(larger)
    torch.testing.assert_close(again, plain, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(larger, large, atol=1e-5, rtol=1e-5)
