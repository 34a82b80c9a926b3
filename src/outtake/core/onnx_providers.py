"""What ONNX Runtime runs on: its execution providers."""

from __future__ import annotations

from typing import Protocol

from outtake.core.errors import DeviceError

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}


class OnnxSession(Protocol):
    """What is needed of an ``onnxruntime.InferenceSession``."""

    def get_providers(self) -> list[str]:
        """Return what it runs on, the first before the others."""


def check_provider(session: OnnxSession, provider: str, asked: str) -> None:
    """Make sure that a session runs on what it was asked to.

    Where CUDA's own libraries are missing, ONNX Runtime takes the CPU and says so in its log only.

    Args:
        session: opened.
        provider: such as ``CUDAExecutionProvider``.
        asked: the option that named it, as the user would write it.

    Raises:
        DeviceError: it runs on something else.
    """
    if provider not in session.get_providers():
        raise DeviceError(
            f"{asked}: ONNX Runtime has it, but its libraries can not be loaded; install those "
            "that its documentation names, or use cpu"
        )
