"""Tiny networks that paint the hole in the mean colour of what is known."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from outtake.removal.onnx import Onnx
from outtake.removal.torchscript import TorchScript

GREY, SECRET = 80, (255, 0, 255)


class Mean(nn.Module):
    """Takes image (1, 3, h, w) and mask (1, 1, h, w), 1 in the hole."""

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return the image, the hole in the mean colour of the rest."""
        known = 1 - mask
        count = known.sum(dim=(2, 3), keepdim=True).clamp(min=1.0)
        mean = (image * known).sum(dim=(2, 3), keepdim=True) / count
        return image * known + mean * mask


class Constant(nn.Module):
    """Takes one tensor of 4 channels; the result has a colour of its own everywhere."""

    def forward(self, both: Tensor) -> Tensor:
        """Return 1, 0, -1 for red, green, blue."""
        colour = torch.tensor([1.0, 0.0, -1.0], device=both.device)
        return colour.reshape(1, 3, 1, 1) + 0 * both[:, :1]


def torchscript_file(path: Path, network: nn.Module | None = None) -> Path:
    """Save a network as TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(network or Mean()), str(path))
    return path


def onnx_file(path: Path, side: int | None = None, names: tuple[str, str] = ("a", "b")) -> Path:
    """Write the network of :class:`Mean` as ONNX, for one size only if there is a ``side``."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    make, float32 = onnx.helper, onnx.TensorProto.FLOAT
    image, mask = names
    nodes = [
        make.make_node("Sub", ["one", mask], ["known"]),
        make.make_node("ReduceSum", ["known", "axes"], ["count"], keepdims=1),
        make.make_node("Max", ["count", "one"], ["divisor"]),
        make.make_node("Mul", [image, "known"], ["seen"]),
        make.make_node("ReduceSum", ["seen", "axes"], ["total"], keepdims=1),
        make.make_node("Div", ["total", "divisor"], ["mean"]),
        make.make_node("Mul", ["mean", mask], ["fill"]),
        make.make_node("Add", ["seen", "fill"], ["result"]),
    ]
    sides = [side, side] if side else ["h", "w"]
    graph = make.make_graph(
        nodes,
        "mean",
        [
            make.make_tensor_value_info(image, float32, [1, 3, *sides]),
            make.make_tensor_value_info(mask, float32, [1, 1, *sides]),
        ],
        [make.make_tensor_value_info("result", float32, [1, 3, *sides])],
        [
            make.make_tensor("one", float32, [1], [1.0]),
            make.make_tensor("axes", onnx.TensorProto.INT64, [2], [2, 3]),
        ],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def picture_with_secret(height: int = 50, width: int = 70) -> tuple[np.ndarray, np.ndarray]:
    """A grey picture with something secret in it, and where that is."""
    image = np.full((height, width, 3), (GREY, GREY + 20, GREY + 40), np.uint8)
    mask = np.zeros((height, width), bool)
    mask[20:31, 25:44] = True
    image[mask] = SECRET
    return image, mask


def torchscript_remover(
    folder: Path, network: nn.Module | None = None, **options: Any
) -> TorchScript:
    return TorchScript(torchscript_file(folder / "net.pt", network), **options)


def onnx_remover(
    folder: Path, side: int | None = None, names: tuple[str, str] = ("a", "b"), **options: Any
) -> Onnx:
    return Onnx(onnx_file(folder / "net.onnx", side, names), **options)
