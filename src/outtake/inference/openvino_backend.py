"""Run a task with OpenVINO, on CPUs."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from outtake.core.cpu import usable_processors
from outtake.core.errors import ConfigError
from outtake.inference.export_cache import SIZES_IN_MEMORY, ExportCache
from outtake.inference.export_onnx import (
    Exportable,
    ExportGraph,
    example_input,
    explain_export_errors,
)
from outtake.inference.optional_imports import import_nncf, import_optional, silence_output
from outtake.inference.protocol import Images, Logits

PRECISIONS = ("float32", "bfloat16", "int8")
_RESIZE = "Interpolate"
_REQUIRED_BY = "backend=openvino"

CalibrationImages = Callable[[int, int], list[Images]]
"""(height, width) to training images of that size, each uint8 (1, h, w, C)."""


class OpenVINONetwork:
    """Runs a task's network with OpenVINO.

    Each image is a run of its own, so its logits never depend on its neighbours; the images of a
    batch run side by side. A model is exported for each image size, at the first image of that
    size; those of the sizes that were seen last stay in memory.

    Args:
        task: The task in eval mode.
        precision: ``auto`` is ``float32``; ``bfloat16`` where the processor computes in it;
            ``int8`` has its weights and maps quantised after training, by NNCF.
        threads: The number of threads; None is one per core.
        cache: The cache of exported models; None exports at each start.
        calibration: The function that returns the images for ``int8``.

    Raises:
        ConfigError: OpenVINO (or for ``int8`` NNCF) is not installed, the precision is unknown or
            not supported by this processor, or there are no images to calibrate with.
    """

    def __init__(
        self,
        task: Exportable,
        precision: str = "auto",
        *,
        threads: int | None = None,
        cache: ExportCache | None = None,
        calibration: CalibrationImages | None = None,
    ) -> None:
        self.precision = "float32" if precision == "auto" else precision
        if self.precision not in PRECISIONS:
            raise ConfigError(
                f"network.precision={precision}: OpenVINO runs auto, {', '.join(PRECISIONS)}; "
                "float16 is "
                "for GPUs, with backend=torch"
            )
        self._openvino = import_optional("openvino", extra="openvino", required_by=_REQUIRED_BY)
        self._core = _get_core()
        known = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if self.precision == "bfloat16" and "BF16" not in known:
            raise ConfigError(
                "network.precision=bfloat16: this processor does not compute in it (AVX512-BF16 "
                "or AMX "
                "does); use float32 or int8"
            )
        if self.precision == "int8" and calibration is None:
            raise ConfigError(
                "network.precision=int8: there are no training images to calibrate with; use "
                "float32"
            )
        if self.precision == "int8" and importlib.util.find_spec("nncf") is None:
            raise ConfigError("network.precision=int8 needs nncf; pip install 'outtake[openvino]'")
        self._task = task
        self._threads = threads or usable_processors()
        self._cache = cache
        self._calibration = calibration
        self._get_model = lru_cache(SIZES_IN_MEMORY)(self._load_model)
        # The last images of a batch may be fewer.
        self._get_requests = lru_cache(2 * SIZES_IN_MEMORY)(self._make_requests)

    def __call__(self, images: Images) -> Logits:
        """Map uint8 (B, h, w, C) to logits; see :class:`outtake.inference.protocol.Network`."""
        height, width, channels = images.shape[1:]
        requests = self._get_requests((height, width, channels), min(len(images), self._threads))
        at_once = len(requests)
        found: list[Logits] = []

        def collect() -> None:
            request = requests[len(found) % at_once]
            request.wait()
            found.append(np.array(request.get_output_tensor(0).data[0], np.float32))

        for index in range(len(images)):
            if index >= at_once:
                collect()
            requests[index % at_once].start_async({0: images[index : index + 1]}, share_inputs=True)
        while len(found) < len(images):
            collect()
        return np.stack(found)

    def _make_requests(self, shape: tuple[int, int, int], at_once: int) -> list[Any]:
        """Return inference requests for images of a shape; they run side by side."""
        hints: dict[str, object] = {
            # By default it computes float32 in bfloat16 wherever the processor can.
            "INFERENCE_PRECISION_HINT": "bf16" if self.precision == "bfloat16" else "f32",
            "INFERENCE_NUM_THREADS": self._threads,
            # Threads that work on one image wait for each other after every layer, and for
            # whatever else the processor does; those with an image each do not.
            "NUM_STREAMS": at_once,
        }
        compiled = self._core.compile_model(self._get_model(shape), "CPU", hints)
        return [compiled.create_infer_request() for _ in range(at_once)]

    def _load_model(self, shape: tuple[int, int, int]) -> Any:
        name = f"openvino-{self.precision}-{shape[0]}x{shape[1]}"
        if self._cache is None:
            files = self._export(shape)
        else:
            files = dict(self._cache.get(name, lambda: self._export(shape)))
        return self._core.read_model(
            model=files["model.xml"],
            weights=self._openvino.Tensor(np.frombuffer(files["model.bin"], np.uint8)),
        )

    def _export(self, shape: tuple[int, int, int]) -> dict[str, bytes]:
        model = self._convert(shape)
        if self.precision == "int8":
            assert self._calibration is not None
            images = self._calibration(shape[0], shape[1])
            with silence_output():
                nncf = import_nncf(f"{_REQUIRED_BY} network.precision=int8")
                model = nncf.quantize(
                    model,
                    nncf.Dataset(images),
                    subset_size=len(images),
                    preset=nncf.QuantizationPreset.MIXED,
                    ignored_scope=nncf.IgnoredScope(names=_first_convolution(model)),
                )
        with TemporaryDirectory() as folder:
            xml, weights = Path(folder, "model.xml"), Path(folder, "model.bin")
            self._openvino.serialize(model, xml, weights)
            return {path.name: path.read_bytes() for path in (xml, weights)}

    def _convert(self, shape: tuple[int, int, int]) -> Any:
        frontend = import_optional("openvino.frontend", extra="openvino", required_by=_REQUIRED_BY)
        pytorch = import_optional(
            "openvino.frontend.pytorch.ts_decoder", extra="openvino", required_by=_REQUIRED_BY
        )
        with explain_export_errors(_REQUIRED_BY, shape):
            graph = ExportGraph(self._task).eval().cpu()
            trace: Any = torch.jit.trace  # untyped
            traced = trace(graph, example_input(shape), check_trace=False)
            decoder = pytorch.TorchScriptPythonDecoder(traced)
            # Not openvino.convert_model, which reports home.
            loader = frontend.FrontEndManager().load_by_framework("pytorch")
            model = loader.convert(loader.load(decoder))
        model.reshape([1, *shape])
        _set_bicubic_kernel(model)
        return model


@cache
def _get_core() -> Any:
    """Return the one OpenVINO core of this process; it lives until the process ends.

    The CPU plugin of each core moves the signal stack of the thread that loads it, and puts back
    what it found there when it ends. Of two that end in the order in which they began, the second
    puts back the stack of the first, which is gone: the next signal ends the process without a
    message.
    """
    return import_optional("openvino", extra="openvino", required_by=_REQUIRED_BY).Core()


def _set_bicubic_kernel(model: Any) -> None:
    """Give antialiased bicubic resizing torch's kernel, of Keys with a = -0.5.

    OpenVINO converts it with that of the plain kind, -0.75: logits of a transformer whose positions
    are resized so (``dpt``) differed by 2% of the largest.
    """
    for operation in model.get_ops():
        attributes = operation.get_attributes() if operation.get_type_name() == _RESIZE else {}
        if attributes.get("mode") == "bicubic_pillow":
            operation.set_attribute("cube_coeff", -0.5)


def _first_convolution(model: Any) -> list[str]:
    # Pixels lose most by being rounded again, and the layer costs little: left in float32, labels
    # of the CamVid checkpoint differ in 0.5% of the pixels instead of 1%.
    for operation in model.get_ordered_ops():
        if operation.get_type_name() in ("Convolution", "GroupConvolution"):
            return [operation.get_friendly_name()]
    return []
