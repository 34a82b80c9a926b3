from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from outtake.core.labels import LabelSpace
from outtake.inference.onnxruntime_backend import ONNXRuntimeNetwork
from outtake.inference.openvino_backend import OpenVINONetwork
from outtake.models.max_unpool import max_pool_with_positions, max_unpool
from outtake.models.normalisation import Normalize
from outtake.models.segnet import SegNet
from outtake.training.task import SegmentationTask


def test_values_go_where_torch_puts_them_with_equal_ones_in_a_window() -> None:
    x = torch.relu(torch.randn(2, 3, 8, 10, generator=torch.Generator().manual_seed(0)))
    assert (x == 0).float().mean() > 0.3, "windows of zeros have equal values"
    pooled, position = max_pool_with_positions(x)
    expected, indices = F.max_pool2d(x, 2, return_indices=True)
    values = torch.randn_like(pooled)
    assert torch.equal(pooled, expected)
    assert torch.equal(max_unpool(values, position), F.max_unpool2d(values, indices, 2))


def test_gradients_are_those_of_torch_in_half_precision_too() -> None:
    x = torch.randn(1, 2, 4, 6, dtype=torch.bfloat16, requires_grad=True)
    pooled, position = max_pool_with_positions(x)
    max_unpool(pooled * 2, position).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad != 0, max_unpool(torch.ones_like(pooled), position) != 0)
    assert x.grad.sum() == 2 * pooled.numel()


@pytest.mark.parametrize("runtime", [ONNXRuntimeNetwork, OpenVINONetwork])
def test_a_network_that_unpools_is_exported_and_gives_the_same(runtime) -> None:
    torch.manual_seed(0)
    labels = LabelSpace.from_names(["road", "car"])
    net = SegNet(2, widths=(4, 8), depths=(1, 1))
    task = SegmentationTask(net, Normalize(), labels, torch.nn.CrossEntropyLoss()).eval()
    image = torch.randint(0, 256, (1, 3, 22, 30), dtype=torch.uint8)
    with torch.inference_mode():
        expected = task(image).permute(0, 2, 3, 1).numpy()
    found = runtime(task)(image.permute(0, 2, 3, 1).contiguous().numpy())
    np.testing.assert_allclose(found, expected, atol=1e-4)
