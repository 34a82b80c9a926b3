"""Every backend against PyTorch in float32, on a network that was really trained."""

import logging
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from outtake.core.errors import ConfigError, DeviceError, OutOfMemoryError
from outtake.inference.export_cache import ExportCache
from outtake.inference.open_backend import open_backend, resolve_backend
from outtake.inference.optional_imports import import_optional
from outtake.inference.torch_backend import TorchBackend
from tests.inference.trained import SIZE, TrainedCheckpoint, make_pictures, trained_task

FULL = (97, 130)  # an odd enlargement
AGREEMENT = {"float32": 0.999, "bfloat16": 0.99, "int8": 0.99}
KINDS = [
    ("torch", "float32"),
    ("torch", "bfloat16"),
    ("openvino", "float32"),
    ("openvino", "bfloat16"),
    ("openvino", "int8"),
    ("onnxruntime", "float32"),
]
LIBRARIES = {"openvino": ["openvino", "nncf"], "onnxruntime": ["onnx", "onnxruntime"]}


@pytest.fixture
def trained(tmp_path):
    return TrainedCheckpoint(trained_task(), tmp_path / "best.ckpt")


def opened(name, trained, **options):
    for library in LIBRARIES.get(name, []):
        pytest.importorskip(library)
    return open_backend(
        name, trained, device="cpu", calibration=lambda: list(make_pictures(24, 1000)[0]), **options
    )


def run_script(script, *arguments, env=os.environ):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        env={**env, "PYTHONPATH": "."},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(("name", "precision"), KINDS)
def test_labels_agree_with_torch_in_float32(name, precision, trained):
    try:
        backend = opened(name, trained, precision=precision, confidence=True)
    except ConfigError as error:
        if precision == "bfloat16" and "this processor does not compute in it" in str(error):
            pytest.skip(str(error))
        raise
    images, truth = make_pictures(6, 77)
    labels, confidence = backend(images, FULL)
    reference, sure = TorchBackend(trained_task(), "cpu", "float32", confidence=True)(images, FULL)
    assert labels.shape == (6, *FULL) and labels.dtype == np.uint8
    assert (labels == reference).mean() >= AGREEMENT[precision]
    assert np.abs(confidence - sure).mean() < 0.02
    own, _ = backend(images, SIZE)
    assert (own == truth).mean() > 0.95, "the network was not trained: agreement means nothing"


@pytest.mark.parametrize(("name", "precision"), [k for k in KINDS if k[1] != "bfloat16"])
def test_a_frames_labels_do_not_depend_on_its_neighbours_in_the_batch(name, precision, trained):
    backend = opened(name, trained, precision=precision, confidence=True)
    images, _ = make_pictures(4, 5)
    others, _ = make_pictures(4, 6)
    labels, confidence = backend(images, FULL)
    others[2] = images[2]
    again, sure = backend(others, FULL)
    assert np.array_equal(again[2], labels[2]) and np.array_equal(sure[2], confidence[2])


@pytest.mark.parametrize("name", ["torch", "openvino", "onnxruntime"])
def test_augmentation_and_windows_work_with_every_backend(name, trained):
    images, truth = make_pictures(2, 9, (96, 128))
    options = {"flip": True, "scales": [1, 1.25], "window": SIZE, "overlap": 0.5}
    labels, _ = opened(name, trained, **options)(images, (96, 128))
    assert (labels == truth).mean() > 0.95


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_an_exported_model_is_kept_and_used_again(name, trained, monkeypatch):
    images, _ = make_pictures(1, 3)
    labels, _ = opened(name, trained)(images, SIZE)
    (kept,) = trained.path.parent.iterdir()
    assert kept.name == f"best.0123456789ab.{name}-float32-48x64.zip"
    stamp = kept.stat().st_mtime_ns

    def never(*_, **__):
        raise AssertionError("exported again")

    monkeypatch.setattr("outtake.inference.openvino_backend.OpenVINONetwork._export", never)
    monkeypatch.setattr("outtake.inference.onnxruntime_backend.export_onnx", never)
    assert np.array_equal(opened(name, trained)(images, SIZE)[0], labels)
    assert kept.stat().st_mtime_ns == stamp


def test_a_checkpoint_that_changed_gets_a_model_of_its_own(trained):
    images, _ = make_pictures(1, 3)
    opened("openvino", trained)(images, SIZE)
    opened("openvino", TrainedCheckpoint(trained_task(), trained.path, "f" * 64))(images, SIZE)
    assert len(list(trained.path.parent.iterdir())) == 2


@pytest.mark.parametrize("harm", ["truncated", "flipped", "empty", "of another"])
def test_a_damaged_model_is_made_again_with_a_warning(harm, trained, caplog):
    images, _ = make_pictures(1, 3)
    labels, _ = opened("openvino", trained)(images, SIZE)
    (kept,) = trained.path.parent.iterdir()
    whole = kept.read_bytes()
    half = len(whole) // 2
    kept.write_bytes(
        {
            "truncated": whole[:half],
            "flipped": whole[:half] + bytes([whole[half] ^ 255]) + whole[half + 1 :],
            "empty": b"",
            "of another": whole.replace(b"0123456789abcdef", b"0123456789abcdee"),
        }[harm]
    )
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(opened("openvino", trained)(images, SIZE)[0], labels)
    assert "is made again" in caplog.text and str(kept) in caplog.text
    assert opened("openvino", trained)(images, SIZE)[0].shape == (1, *SIZE)


def test_a_folder_that_can_not_be_written_is_done_without(trained):
    images, _ = make_pictures(1, 3)
    place = trained.path.parent / "file"
    place.write_text("not a folder")
    backend = opened("openvino", TrainedCheckpoint(trained_task(), place / "best.ckpt"))
    assert backend(images, SIZE)[0].shape == (1, *SIZE)
    assert [path.name for path in trained.path.parent.iterdir()] == ["file"]


def test_the_cache_can_be_left_alone(trained):
    images, _ = make_pictures(1, 3)
    opened("openvino", trained, cache=False)(images, SIZE)
    assert not list(trained.path.parent.iterdir())


def test_a_model_that_could_not_be_made_leaves_nothing(tmp_path):
    def fail():
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        ExportCache(tmp_path / "a.ckpt", "0" * 64).get("x", fail)
    assert not list(tmp_path.iterdir())


def test_a_frame_size_tries_the_model_before_any_work(trained):
    opened("openvino", trained, frame_size=(96, 128))
    assert "openvino-float32-48x64" in next(trained.path.parent.iterdir()).name


def test_a_network_that_can_not_be_exported_is_one_line(trained):
    class Odd(torch.nn.Module):
        def forward(self, image):
            return (
                torch.fft.fft2(image)
                .real.cumsum(-1)[:, :2]
                .index_reduce(1, torch.tensor([0]), image[:, :1], "prod")
            )

    class OddTask:
        net, normalize = Odd(), trained_task().normalize

    for name in ("openvino", "onnxruntime"):
        backend = opened(name, TrainedCheckpoint(OddTask(), trained.path))
        with pytest.raises(ConfigError, match=f"backend={name}: .*use backend=torch"):
            backend(make_pictures(1, 3)[0], SIZE)
    assert not list(trained.path.parent.iterdir())


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
        opened(name, trained, **options)


def test_int8_needs_images(trained):
    pytest.importorskip("openvino")
    with pytest.raises(ConfigError, match="no training images to calibrate with"):
        open_backend("openvino", trained, precision="int8")
    pytest.importorskip("nncf")
    backend = open_backend("openvino", trained, precision="int8", calibration=lambda: [])
    with pytest.raises(ConfigError, match="no training images to calibrate with"):
        backend(make_pictures(1, 0)[0], SIZE)


def test_a_provider_that_is_not_installed_is_a_device_error(trained):
    runtime = pytest.importorskip("onnxruntime")
    if "TensorrtExecutionProvider" in runtime.get_available_providers():
        pytest.skip("this ONNX Runtime has TensorRT")
    with pytest.raises(DeviceError, match="onnxruntime-gpu"):
        open_backend("onnxruntime", trained, provider="tensorrt")


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_without_its_libraries_is_a_device_error(trained, monkeypatch):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(runtime, "get_available_providers", lambda: both)
    with pytest.raises(DeviceError, match=r"provider=cuda: .* libraries can not be loaded"):
        open_backend("onnxruntime", trained, provider="cuda", frame_size=SIZE)


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


def test_a_library_that_is_missing_is_one_line():
    with pytest.raises(ConfigError, match=r"backend=x needs nothing_such.*outtake\[y\]"):
        import_optional("nothing_such.inner", extra="y", required_by="backend=x")


def test_a_signal_arrives_after_backends_have_come_and_gone():
    pytest.importorskip("openvino")
    script = """
        import gc, os, signal
        from pathlib import Path
        from outtake.inference.open_backend import open_backend
        from tests.inference.trained import SIZE, TrainedCheckpoint, make_pictures, trained_task
        signal.signal(signal.SIGUSR1, lambda *_: print("arrived", flush=True))
        opened = []
        for _ in range(3):
            trained = TrainedCheckpoint(trained_task(), Path("none", "best.ckpt"))
            opened.append(open_backend("openvino", trained, cache=False))
            opened[-1](make_pictures(1, 0)[0], SIZE)
        while opened:
            del opened[0]
            gc.collect()
            os.kill(os.getpid(), signal.SIGUSR1)
    """
    done = run_script(script)
    assert (done.returncode, done.stdout) == (0, "arrived\n" * 3), done.stderr


def test_nothing_reports_to_anyone(tmp_path):
    """No identifier or consent file in the home folder, no connection to anywhere."""
    for library in ("openvino", "nncf", "onnx", "onnxruntime"):
        pytest.importorskip(library)
    home = tmp_path / "home"
    home.mkdir()
    script = """
        import socket, sys, threading
        def refused(*_): print("CONNECTED"); raise OSError("no network here")
        socket.socket.connect = socket.getaddrinfo = refused
        from pathlib import Path
        from outtake.inference.open_backend import open_backend
        from tests.inference.trained import SIZE, TrainedCheckpoint, make_pictures, trained_task
        trained = TrainedCheckpoint(trained_task(), Path(sys.argv[1]))
        images = make_pictures(2, 0)[0]
        kinds = [("openvino", "float32"), ("openvino", "int8"), ("onnxruntime", "float32")]
        for name, precision in kinds:
            backend = open_backend(name, trained, precision=precision, calibration=lambda: images)
            backend(images, SIZE)
        assert not [name for name in sys.modules if name.startswith("openvino_telemetry")]
    """
    environment = {k: v for k, v in os.environ.items() if k not in ("ORT_DISABLE_TELEMETRY", "CI")}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    done = run_script(script, str(tmp_path / "best.ckpt"), env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "", "NNCF's progress bar, or a connection"
    assert list(home.rglob("*")) == []


def test_a_frame_that_does_not_fit_shows_before_any_work(trained, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")

    monkeypatch.setattr(trained.task, "predict", full)
    with pytest.raises(OutOfMemoryError, match=r"1 frames of 128x96.* at 64x48; .*short_side"):
        opened("torch", trained, frame_size=(96, 128))
