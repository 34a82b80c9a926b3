import pytest

from outtake.core.errors import DeviceError
from outtake.inference.open_backend import open_backend
from tests.inference.trained import SIZE


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
    with pytest.raises(DeviceError, match=r"provider=cuda: .* libraries cannot be loaded"):
        open_backend("onnxruntime", trained, provider="cuda", frame_size=SIZE)
