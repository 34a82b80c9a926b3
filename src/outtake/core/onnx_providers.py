"""The execution providers of ONNX Runtime: CPU, CUDA and TensorRT."""

from __future__ import annotations

from typing import Any

from outtake.core.errors import DeviceError

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}


def check_provider(session: Any, provider: str, asked: str) -> None:
    """Check that a session runs on the provider that was asked for.

    If the libraries of CUDA are missing, ONNX Runtime takes the CPU and says so in its log only.

    Args:
        session: The open ``onnxruntime.InferenceSession``.
        provider: The provider, such as ``CUDAExecutionProvider``.
        asked: The option that named it, as the user would write it.

    Raises:
        DeviceError: It runs on another provider.
    """
    if provider not in session.get_providers():
        raise DeviceError(
            f"{asked}: ONNX Runtime has it, but its libraries cannot be loaded; install those "
            "that its documentation names, or use cpu"
        )
