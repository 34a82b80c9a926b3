import pytest
import torch
from torch import nn

from outtake.core.errors import ConfigError
from outtake.inference.export_onnx import export_onnx


class PooledToThree(nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        pooled = nn.functional.adaptive_avg_pool2d(image.float(), 3)
        return nn.functional.interpolate(pooled, image.shape[-2:])


class Task:
    net = PooledToThree().eval()
    normalize = nn.Identity()


def test_a_graph_that_cannot_be_exported_is_one_line_and_prints_nothing(capfd):
    pytest.importorskip("onnx")
    with pytest.raises(ConfigError) as caught:
        export_onnx(Task(), (16, 20, 3), "onnx=[16,20]", "choose another size")
    line = str(caught.value)
    assert line.startswith("onnx=[16,20]: this network cannot be exported at 20x16 (Symbolic")
    assert line.endswith("output size that are not factor of input size); choose another size")
    print("what comes after is shown")
    assert capfd.readouterr().out == "what comes after is shown\n"
    assert export_onnx(Task(), (15, 21, 3), "onnx=[15,21]")
