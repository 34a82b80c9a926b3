"""Run a task with ONNX Runtime: CPU, CUDA and TensorRT."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from outtake.core.errors import ConfigError, DeviceError
from outtake.core.onnx_providers import PROVIDERS, check_provider
from outtake.inference.export_cache import SIZES_IN_MEMORY, ExportCache
from outtake.inference.export_onnx import Exportable, export_onnx
from outtake.inference.optional_imports import import_optional
from outtake.inference.protocol import Images, Logits

PRECISIONS = ("float32", "float16")
_REQUIRED_BY = "backend=onnxruntime"


class ONNXRuntimeNetwork:
    """Runs a task's network with ONNX Runtime.

    Args:
        task: The task in eval mode.
        precision: ``auto`` is ``float32``; ``float16`` with TensorRT.
        provider: ``cpu``, ``cuda``, ``tensorrt``, or ``auto``: CUDA where there is one.
        device_index: The index of the GPU.
        threads: The number of threads of the CPU provider; None is one per core.
        cache: The cache of exported models; None exports at each start.

    Raises:
        ConfigError: ONNX Runtime is not installed, or the provider or precision does not exist.
        DeviceError: The provider is not part of the installed ONNX Runtime.
    """

    def __init__(
        self,
        task: Exportable,
        precision: str = "auto",
        *,
        provider: str = "auto",
        device_index: int = 0,
        threads: int | None = None,
        cache: ExportCache | None = None,
    ) -> None:
        self._runtime = import_optional("onnxruntime", extra="onnx", required_by=_REQUIRED_BY)
        self._runtime.disable_telemetry_events()
        self.provider = _resolve_provider(provider, self._runtime.get_available_providers())
        self.precision = "float32" if precision == "auto" else precision
        if self.precision not in PRECISIONS:
            raise ConfigError(
                f"network.precision={precision}: ONNX Runtime runs auto, {', '.join(PRECISIONS)}; "
                "for "
                "int8 use backend=openvino, for bfloat16 backend=torch"
            )
        if self.precision == "float16" and self.provider != "tensorrt":
            raise ConfigError(
                f"network.precision=float16: not with backend.provider={self.provider}; use "
                "tensorrt, or "
                "backend=torch"
            )
        self._task = task
        self._device_index = device_index
        self._threads = threads
        self._cache = cache
        self._get_session = lru_cache(SIZES_IN_MEMORY)(self._open_session)

    def __call__(self, images: Images) -> Logits:
        """Map uint8 (B, h, w, C) to logits; see :class:`outtake.inference.protocol.Network`."""
        height, width, channels = images.shape[1:]
        session = self._get_session((height, width, channels))
        (logits,) = session.run(["logits"], {"images": np.ascontiguousarray(images)})
        return np.ascontiguousarray(logits, np.float32)

    def _open_session(self, shape: tuple[int, int, int]) -> Any:
        def export() -> dict[str, bytes]:
            import_optional("onnx", extra="onnx", required_by=_REQUIRED_BY)
            return {"model.onnx": export_onnx(self._task, shape, _REQUIRED_BY)}

        name = f"onnxruntime-float32-{shape[0]}x{shape[1]}"
        files = export() if self._cache is None else self._cache.get(name, export)
        options = self._runtime.SessionOptions()
        options.log_severity_level = 3  # errors; placement of shape arithmetic is no news
        if self._threads:
            options.intra_op_num_threads = self._threads
        session = self._runtime.InferenceSession(
            files["model.onnx"], options, providers=self._providers()
        )
        check_provider(session, PROVIDERS[self.provider], f"backend.provider={self.provider}")
        return session

    def _providers(self) -> list[tuple[str, dict[str, object]]]:
        cpu: tuple[str, dict[str, object]] = (PROVIDERS["cpu"], {})
        cuda: tuple[str, dict[str, object]] = (
            PROVIDERS["cuda"],
            {"device_id": self._device_index},
        )
        tensorrt: tuple[str, dict[str, object]] = (
            PROVIDERS["tensorrt"],
            {
                "device_id": self._device_index,
                "trt_fp16_enable": self.precision == "float16",
            },
        )
        return {"cpu": [cpu], "cuda": [cuda, cpu], "tensorrt": [tensorrt, cuda, cpu]}[self.provider]


def _resolve_provider(provider: str, installed: list[str]) -> str:
    if provider == "auto":
        return "cuda" if PROVIDERS["cuda"] in installed else "cpu"
    if provider not in PROVIDERS:
        raise ConfigError(f"backend.provider={provider}: unknown; use auto, {', '.join(PROVIDERS)}")
    if PROVIDERS[provider] not in installed:
        raise DeviceError(
            f"backend.provider={provider}: the installed ONNX Runtime does not have it; "
            "pip install onnxruntime-gpu instead of onnxruntime, or use cpu"
        )
    return provider
