"""Every backend against PyTorch in float32, on a network that was really trained."""

import os

import numpy as np
import pytest
import torch

from outtake.core.errors import ConfigError
from outtake.inference.torch_backend import TorchBackend
from outtake.models.normalisation import Normalize, PerImageNormalize
from tests.inference.trained import (
    SIZE,
    TrainedCheckpoint,
    make_pictures,
    open_on_cpu,
    run_script,
    trained_task,
)

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


@pytest.fixture
def trained(tmp_path):
    return TrainedCheckpoint(trained_task(), tmp_path / "best.ckpt")


@pytest.mark.parametrize("normalisation", [Normalize, PerImageNormalize])
@pytest.mark.parametrize(("name", "precision"), KINDS)
def test_labels_agree_with_torch_in_float32(name, precision, normalisation, tmp_path):
    task = trained_task(normalisation)
    trained = TrainedCheckpoint(task, tmp_path / "best.ckpt")
    try:
        backend = open_on_cpu(name, trained, precision=precision, confidence=True)
    except ConfigError as error:
        if precision == "bfloat16" and "this processor does not compute in it" in str(error):
            pytest.skip(str(error))
        raise
    images, truth = make_pictures(6, 77)
    labels, confidence = backend(images, FULL)
    reference, sure = TorchBackend(task, "cpu", "float32", confidence=True)(images, FULL)
    assert labels.shape == (6, *FULL) and labels.dtype == np.uint8
    assert (labels == reference).mean() >= AGREEMENT[precision]
    assert np.abs(confidence - sure).mean() < 0.02
    own, _ = backend(images, SIZE)
    assert (own == truth).mean() > 0.95, "the network was not trained: agreement means nothing"


@pytest.mark.parametrize(("name", "precision"), [k for k in KINDS if k[1] != "bfloat16"])
def test_a_frames_labels_do_not_depend_on_its_neighbours_in_the_batch(name, precision, trained):
    backend = open_on_cpu(name, trained, precision=precision, confidence=True)
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
    labels, _ = open_on_cpu(name, trained, **options)(images, (96, 128))
    assert (labels == truth).mean() > 0.95


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
        backend = open_on_cpu(name, TrainedCheckpoint(OddTask(), trained.path))
        with pytest.raises(ConfigError, match=f"backend={name}: .*use backend=torch"):
            backend(make_pictures(1, 3)[0], SIZE)
    assert not list(trained.path.parent.iterdir())


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What a process of its own said that opened backends one after the other, and its home."""
    for library in ("openvino", "nncf", "onnx", "onnxruntime"):
        pytest.importorskip(library)
    home = tmp_path_factory.mktemp("home")
    script = """
        import gc, os, signal, socket, sys
        def refused(*_): print("CONNECTED"); raise OSError("no network here")
        socket.socket.connect = socket.getaddrinfo = refused
        from pathlib import Path
        from outtake.inference.open_backend import open_backend
        from tests.inference.trained import SIZE, TrainedCheckpoint, make_pictures, trained_task
        trained = TrainedCheckpoint(trained_task(), Path(sys.argv[1]))
        images = make_pictures(2, 0)[0]
        signal.signal(signal.SIGUSR1, lambda *_: print("arrived", flush=True))
        opened = []
        for _ in range(3):
            opened.append(open_backend("openvino", trained, cache=False))
            opened[-1](images, SIZE)
        while opened:
            del opened[0]
            gc.collect()
            os.kill(os.getpid(), signal.SIGUSR1)
        kinds = [("openvino", "float32"), ("openvino", "int8"), ("onnxruntime", "float32")]
        for name, precision in kinds:
            backend = open_backend(name, trained, precision=precision, calibration=lambda: images)
            backend(images, SIZE)
        assert not [name for name in sys.modules if name.startswith("openvino_telemetry")]
    """
    environment = {k: v for k, v in os.environ.items() if k not in ("ORT_DISABLE_TELEMETRY", "CI")}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    place = tmp_path_factory.mktemp("checkpoints") / "best.ckpt"
    return run_script(script, str(place), env=environment), home


def test_nothing_reports_to_anyone(alone):
    """No identifier or consent file in the home folder, no connection to anywhere."""
    done, home = alone
    assert "Traceback" not in done.stderr, done.stderr
    assert not set(done.stdout.split()) - {"arrived"}, "NNCF's progress bar, or a connection"
    assert list(home.rglob("*")) == []


def test_a_signal_arrives_after_backends_have_come_and_gone(alone):
    done, _ = alone
    assert (done.returncode, done.stdout) == (0, "arrived\n" * 3), done.stderr
