import logging

import numpy as np
import pytest
import torch

from outtake.core.errors import ConfigError, OutOfMemoryError
from outtake.inference.open_backend import open_backend, resolve_backend
from tests.inference.trained import (
    open_on_cpu,
)


def test_a_frame_size_tries_the_model_before_any_work(trained):
    open_on_cpu("openvino", trained, frame_size=(96, 128))
    assert "openvino-float32-48x64" in next(trained.path.parent.iterdir()).name


def test_images_of_many_sizes_are_not_exported_for_each(trained, monkeypatch, caplog):
    monkeypatch.setattr("outtake.inference.open_backend.SIZES_ON_DISK", 2)
    monkeypatch.setattr("outtake.inference.open_backend.platform.machine", lambda: "x86_64")
    backend, alone = open_on_cpu("auto", trained), open_on_cpu("torch", trained)
    dice = np.random.default_rng(0)
    with caplog.at_level(logging.INFO):
        for height in (32, 48, 64, 80, 32):
            images = dice.integers(0, 255, (1, height, 64, 3), dtype=np.uint8)
            labels, _ = backend(images, (height, 64))
            assert (labels == alone(images, (height, 64))[0]).mean() > 0.999
    assert caplog.text.count("images have more than 2 sizes") == 1
    kept = sorted(path.name.split("-")[-1] for path in trained.path.parent.iterdir())
    assert kept == ["32x64.zip", "48x64.zip"]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("tensorflow", {}, "backend=tensorflow: unknown; use auto, torch"),
        ("torch", {"precision": "int8"}, "use backend=openvino"),
        ("torch", {"precision": "int4"}, "unknown; use auto, float32"),
        ("torch", {"provider": "cpu"}, "backend.provider: unknown to torch"),
        ("auto", {"speed": 9}, "backend.speed: unknown to auto"),
        ("openvino", {"precision": "float16"}, "OpenVINO runs auto, float32"),
        ("onnxruntime", {"precision": "int8"}, "for int8 use backend=openvino"),
        ("onnxruntime", {"precision": "float16", "provider": "cpu"}, "use tensorrt"),
        ("onnxruntime", {"provider": "npu"}, "use auto, cpu, cuda, tensorrt"),
    ],
)
def test_what_does_not_exist_is_refused(name, options, message, trained):
    with pytest.raises(ConfigError, match=message):
        open_on_cpu(name, trained, **options)


def test_a_gpu_and_a_provider_of_the_cpu_contradict_each_other(trained, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match=r"device=cuda and backend.provider=cpu: choose"):
        open_backend("onnxruntime", trained, device="cuda", provider="cpu")


def test_auto_takes_what_is_fastest_here(monkeypatch):
    there = "outtake.inference.open_backend.importlib.util.find_spec"
    monkeypatch.setattr("outtake.inference.open_backend.platform.machine", lambda: "x86_64")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(there, lambda name: object())
    assert resolve_backend("auto") == "openvino"
    assert resolve_backend("auto", precision="float16") == "torch"
    assert resolve_backend("auto", precision="int8") == "openvino"
    monkeypatch.setattr(there, lambda name: None)
    assert resolve_backend("auto") == "torch"
    monkeypatch.setattr("outtake.inference.open_backend.platform.machine", lambda: "arm64")
    monkeypatch.setattr(there, lambda name: object())
    assert resolve_backend("auto") == "torch"
    monkeypatch.setattr("outtake.inference.open_backend.platform.machine", lambda: "x86_64")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert resolve_backend("auto") == "torch" and resolve_backend("auto", "cpu") == "openvino"
    with pytest.raises(ConfigError, match="OpenVINO runs on the CPU"):
        resolve_backend("openvino", "cuda")


def test_what_auto_took_is_said_once_and_only_when_it_is_opened(trained, monkeypatch, caplog):
    monkeypatch.setattr("outtake.inference.open_backend.platform.machine", lambda: "arm64")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with caplog.at_level(logging.INFO):
        resolve_backend("auto")
        open_backend("auto", trained)
        open_backend("torch", trained)
    assert caplog.messages == ["backend=auto: torch on the CPU"]


def test_a_frame_that_does_not_fit_shows_before_any_work(trained, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")

    monkeypatch.setattr(trained.task, "predict", full)
    with pytest.raises(OutOfMemoryError, match=r"1 frames of 128x96.* at 64x48; .*short_side"):
        open_on_cpu("torch", trained, frame_size=(96, 128))
