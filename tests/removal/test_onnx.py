from __future__ import annotations

import sys

import numpy as np
import pytest

from outtake.core.errors import ConfigError, DeviceError
from outtake.removal.onnx import Onnx
from tests.removal import networks
from tests.removal.networks import (
    GREY,
    onnx_remover,
    picture_with_secret,
)


def test_an_onnx_network_of_one_size_gets_that_size(tmp_path):
    image, mask = picture_with_secret()
    filled = onnx_remover(tmp_path, side=32).fill(image, mask)
    assert np.abs(filled[mask][:, 0].astype(int) - GREY).max() <= 1


def test_onnx_inputs_go_by_name(tmp_path):
    image, mask = picture_with_secret()
    names = ("picture", "where")
    filled = onnx_remover(tmp_path, names=names, inputs={"where": "mask", "picture": "image"})
    assert np.abs(filled.fill(image, mask)[mask][:, 0].astype(int) - GREY).max() <= 1
    with pytest.raises(ConfigError, match=r"the inputs of .* are: picture .*where"):
        onnx_remover(tmp_path, names=names, inputs={"image": "image", "mask": "mask"})
    with pytest.raises(ConfigError, match="must hold image and mask once"):
        onnx_remover(tmp_path, names=names, inputs={"where": "mask", "picture": "mask"})


def test_without_onnx_runtime_the_extra_is_named(tmp_path, monkeypatch):
    path = networks.onnx_file(tmp_path / "net.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"outtake\[onnx\]"):
        Onnx(path)


@pytest.fixture
def without_libraries(monkeypatch):
    """An ONNX Runtime that was built for CUDA, on a machine that has no library of CUDA."""
    runtime = pytest.importorskip("onnxruntime")
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(runtime, "get_available_providers", lambda: both)


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_onnx_never_takes_the_cpu_for_cuda(tmp_path, without_libraries, caplog):
    with pytest.raises(DeviceError, match=r"remover\.device=cuda: .* libraries cannot be loaded"):
        onnx_remover(tmp_path, device="cuda")
    assert not caplog.text
    onnx_remover(tmp_path, device="cpu")
    assert not caplog.text
    onnx_remover(tmp_path, device="auto")
    assert "remover.device=auto: the libraries of CUDA cannot be loaded; on the CPU" in caplog.text
