"""The execution providers of ONNX Runtime: CPU, CUDA and TensorRT."""

from __future__ import annotations

from typing import Protocol

from outtake.core.errors import DeviceError

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}


class OnnxSession(Protocol):
    """The part of an ``onnxruntime.InferenceSession`` that is needed here."""

    def get_providers(self) -> list[str]:
        """Return its providers, the preferred one first."""


def check_provider(session: OnnxSession, provider: str, asked: str) -> None:
    """Check that a session runs on the provider that was asked for.

    If the libraries of CUDA are missing, ONNX Runtime takes the CPU and says so in its log only.

    Args:
        session: The open session.
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
