"""Open a backend by its name and options."""

from __future__ import annotations

import importlib.util
import inspect
import logging
import platform
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from outtake.core.device import resolve_device
from outtake.core.errors import ConfigError, DeviceError
from outtake.core.oom import explain_backend_oom
from outtake.core.types import Frame
from outtake.core.validate import check_number
from outtake.data.resize import short_side_size
from outtake.inference.ensemble import EnsembleMember, NetworkEnsemble
from outtake.inference.export_cache import SIZES_ON_DISK, ExportCache
from outtake.inference.fallback_network import FallbackNetwork
from outtake.inference.int8_calibration import Int8Calibration
from outtake.inference.labeller import Labeller
from outtake.inference.onnxruntime_backend import ONNXRuntimeNetwork
from outtake.inference.openvino_backend import PRECISIONS as OPENVINO_PRECISIONS
from outtake.inference.openvino_backend import OpenVINONetwork
from outtake.inference.protocol import Backend, Network
from outtake.inference.torch_backend import TorchBackend, TorchNetwork
from outtake.inference.tta import AugmentedNetwork, is_single_pass
from outtake.refine.refiner import Refiner

log = logging.getLogger(__name__)

BACKEND_NAMES = ("auto", "torch", "openvino", "onnxruntime")


class TrainedTask(Protocol):
    """The parts of a loaded checkpoint that a backend needs."""

    @property
    def task(self) -> Any:
        """The segmentation task, in eval mode."""

    @property
    def path(self) -> Path:
        """The checkpoint file."""

    @property
    def sha256(self) -> str:
        """The SHA-256 of the file, hexadecimal."""

    @property
    def short_side(self) -> int | None:
        """The shorter side to which images are resized for the network; None leaves them."""

    @property
    def channels(self) -> int:
        """The number of channels of the images."""


@runtime_checkable
class TrainedTasks(Protocol):
    """Several loaded checkpoints that label together."""

    @property
    def members(self) -> Sequence[TrainedTask]:
        """The checkpoints."""

    @property
    def short_side(self) -> int | None:
        """The shorter side that all of them see; None where they differ, or see images as such."""

    @property
    def channels(self) -> int:
        """The number of channels of the images."""


def open_backend(
    name: str,
    trained: TrainedTask | TrainedTasks,
    *,
    device: str = "auto",
    precision: str = "auto",
    confidence: bool = False,
    flip: bool = False,
    scales: Sequence[float] = (1.0,),
    window: int | Sequence[int] | None = None,
    overlap: float = 0.25,
    refiner: Refiner | None = None,
    calibration: Callable[[], Iterable[Frame]] | None = None,
    frame_size: tuple[int, int] | None = None,
    **options: Any,
) -> Backend:
    """Return the backend that runs a trained task, or several as an ensemble.

    Args:
        name: ``torch``, ``openvino``, ``onnxruntime`` or ``auto``; see :func:`resolve_backend`.
        trained: The checkpoint, or several, whose probabilities are averaged.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<index>``.
        precision: ``auto``, ``float32``, ``bfloat16``, ``float16`` or ``int8``; no backend has all
            of them.
        confidence: Compute the probability of each label too.
        flip: Average with the mirrored images.
        scales: The factors by which images are resized; the logits are averaged over them.
        window: The size of windows that cover a larger image; see :class:`Labeller`.
        overlap: The share of a window that its neighbour covers too.
        refiner: What improves the probabilities by the picture that the network saw, on the CPU;
            None leaves them.
        calibration: The function that returns training images, called when a model is quantised to
            ``int8``.
        frame_size: The (height, width) of the frames to come, if known: the model is exported and
            tried at once, so that an error shows before any work.
        options: The options of the backend: ``threads`` for all, ``cache`` for openvino and
            onnxruntime, ``compile`` for torch, ``provider`` for onnxruntime.

    Raises:
        ConfigError: The name, option or precision does not exist or cannot work here, or a library
            is not installed.
        DeviceError: This machine does not have the device.
        OutOfMemoryError: Not even one frame of that size fits into its memory.
    """
    chosen = resolve_backend(name, device, precision)
    if name == "auto":
        _log_choice(chosen, device)
    own = _select_options(name, chosen, options)
    backend: Backend
    on_cuda = chosen == "torch" and resolve_device(device).type == "cuda"
    if on_cuda and refiner is not None:
        log.info("refine: logits come back from the GPU, and are refined on the CPU")
    whole = is_single_pass(scales, window) and refiner is None
    if on_cuda and whole and not isinstance(trained, TrainedTasks):
        # Labels are made on the device of the logits, and nothing else is copied back.
        _refuse_int8(precision)
        backend = TorchBackend(
            trained.task, device, precision, confidence=confidence, flip=flip, **own
        )
    else:

        def make_network(member: TrainedTask) -> Network:
            network = _FACTORIES[chosen](member, device, precision, calibration, **own)
            if name == "auto" and chosen == "openvino" and precision in ("auto", "float32"):
                threads = own.get("threads")
                network = FallbackNetwork(
                    network,
                    lambda: TorchNetwork(member.task, "cpu", "float32", threads=threads),
                    SIZES_ON_DISK,
                )
            return AugmentedNetwork(
                network, flip=flip, scales=scales, window=window, overlap=overlap
            )

        backend = Labeller(
            combine_networks(trained, make_network), confidence=confidence, refiner=refiner
        )
    if frame_size is not None:
        height, width = short_side_size(*frame_size, trained.short_side)
        with explain_backend_oom(backend, 1, (height, width), frame_size):
            backend(np.zeros((1, height, width, trained.channels), np.uint8), frame_size)
    return backend


def combine_networks(
    trained: TrainedTask | TrainedTasks, make_network: Callable[[TrainedTask], Network]
) -> Network:
    """Return the network of a checkpoint, or of several the one that averages them."""
    if not isinstance(trained, TrainedTasks):
        return make_network(trained)
    return NetworkEnsemble(
        [EnsembleMember(make_network(member), member.short_side) for member in trained.members]
    )


def resolve_backend(name: str, device: str = "auto", precision: str = "auto") -> str:
    """Return the backend that a name stands for.

    ``auto`` is torch on CUDA, OpenVINO on an x86 processor if it is installed and has the
    precision, and torch otherwise.

    Raises:
        ConfigError: There is no such backend, or it does not run on the device.
        DeviceError: This machine does not have the device.
    """
    if name not in BACKEND_NAMES:
        raise ConfigError(f"backend={name}: unknown; use {', '.join(BACKEND_NAMES)}")
    cuda = resolve_device(device).type == "cuda"
    if name == "openvino" and cuda and device != "auto":
        raise ConfigError(f"device={device}: OpenVINO runs on the CPU; use backend=torch")
    if name != "auto":
        return name
    able = precision == "auto" or precision in OPENVINO_PRECISIONS
    return "openvino" if not cuda and _is_x86() and _has_openvino() and able else "torch"


def _log_choice(chosen: str, device: str) -> None:
    where = "CUDA" if resolve_device(device).type == "cuda" else "the CPU"
    faster = _is_x86() and not _has_openvino()
    hint = "; pip install 'outtake[openvino]' is faster" if faster else ""
    log.info("backend=auto: %s on %s%s", chosen, where, hint)


def _is_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")


def _has_openvino() -> bool:
    return importlib.util.find_spec("openvino") is not None


def _select_options(name: str, chosen: str, options: dict[str, Any]) -> dict[str, Any]:
    taken = {key: [*inspect.signature(make).parameters][4:] for key, make in _FACTORIES.items()}
    # Options of other backends may stay set when the backend is chosen automatically.
    known = sorted({key for keys in taken.values() for key in keys} if name == "auto" else set())
    known = known or taken[chosen]
    for key in options:
        if key not in known:
            raise ConfigError(f"backend.{key}: unknown to {name}; it takes {', '.join(known)}")
    own = {key: value for key, value in options.items() if key in taken[chosen]}
    check_number("backend.threads", own.get("threads"), 1, whole=True, optional=True)
    return own


def _refuse_int8(precision: str) -> None:
    if precision == "int8":
        raise ConfigError("network.precision=int8: not with backend=torch; use backend=openvino")


def _make_torch(
    trained: TrainedTask,
    device: str,
    precision: str,
    calibration: object,
    threads: int | None = None,
    compile: bool = False,
) -> TorchNetwork:
    _refuse_int8(precision)
    return TorchNetwork(trained.task, device, precision, compile=compile, threads=threads)


def _make_openvino(
    trained: TrainedTask,
    device: str,
    precision: str,
    calibration: Callable[[], Iterable[Frame]] | None,
    threads: int | None = None,
    cache: bool = True,
) -> OpenVINONetwork:
    return OpenVINONetwork(
        trained.task,
        precision,
        threads=threads,
        cache=_make_cache(trained, cache),
        calibration=None if calibration is None else Int8Calibration(calibration, trained.channels),
    )


def _make_onnxruntime(
    trained: TrainedTask,
    device: str,
    precision: str,
    calibration: object,
    threads: int | None = None,
    cache: bool = True,
    provider: str = "auto",
) -> ONNXRuntimeNetwork:
    if device == "cpu" and provider == "auto":
        provider = "cpu"
    if device.startswith("cuda") and provider == "auto":
        provider = "cuda"
    if device.startswith("cuda") and provider == "cpu":
        raise ConfigError(
            f"device={device} and backend.provider=cpu: choose device=cpu, or provider cuda or "
            "tensorrt"
        )
    index = resolve_device(device).index if device != "auto" else 0
    try:
        return ONNXRuntimeNetwork(
            trained.task,
            precision,
            provider=provider,
            device_index=index or 0,
            threads=threads,
            cache=_make_cache(trained, cache),
        )
    except DeviceError as error:
        raise DeviceError(f"device={device}: {error}") from error


_FACTORIES: dict[str, Callable[..., Network]] = {
    "torch": _make_torch,
    "openvino": _make_openvino,
    "onnxruntime": _make_onnxruntime,
}


def _make_cache(trained: TrainedTask, enabled: bool) -> ExportCache:
    return ExportCache(trained.path, trained.sha256, enabled=enabled)
