import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from outtake.inference.export_onnx import ExportGraph
from outtake.inference.openvino_backend import OpenVINONetwork


class ResizedPositions(nn.Module):
    """Adds a map that is resized to the image, as transformers do with their positions."""

    def __init__(self) -> None:
        super().__init__()
        positions = np.random.default_rng(0).normal(0, 1, (1, 3, 7, 7))
        self.positions = nn.Parameter(torch.tensor(positions, dtype=torch.float32))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        size = image.shape[-2:]
        return image + F.interpolate(self.positions, size, mode="bicubic", antialias=True)


class Task:
    net = ResizedPositions().eval()
    normalize = nn.Identity()


@pytest.mark.parametrize("size", [(16, 20), (5, 6), (9, 31)])
def test_antialiased_bicubic_resizing_is_that_of_torch(size):
    pytest.importorskip("openvino")
    images = np.random.default_rng(1).integers(0, 3, (1, *size, 3), np.uint8)
    with torch.inference_mode():
        expected = ExportGraph(Task()).eval()(torch.from_numpy(images)).numpy()
    assert np.abs(OpenVINONetwork(Task(), threads=1)(images) - expected).max() < 1e-5
