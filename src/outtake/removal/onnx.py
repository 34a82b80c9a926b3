"""An inpainting network in an ONNX file as remover."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from outtake.core.errors import ConfigError, DeviceError
from outtake.core.onnx_providers import PROVIDERS, check_provider
from outtake.removal.inpainting_network import (
    INPUT_CHANNELS,
    InpaintingNetwork,
    check_network_file,
    first_output,
)
from outtake.removal.preprocessing import Floats, Preprocessing, PreprocessingOptions

log = logging.getLogger(__name__)

_PROVIDERS = {
    "auto": (PROVIDERS["cuda"], PROVIDERS["cpu"]),
    "cpu": (PROVIDERS["cpu"],),
    "cuda": (PROVIDERS["cuda"],),
}
_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}


class Onnx(InpaintingNetwork):
    """Fills with an inpainting network in an ONNX file, run by ONNX Runtime.

    Args:
        path: The file. It is a program: use only one that you trust.
        inputs: What each input of the network holds, by name: image, mask, ``image+mask`` or
            ``mask+image``; None derives it from their number of channels.
        device: ``auto`` (CUDA where ONNX Runtime has it), ``cpu`` or ``cuda``.
        licence: The licence of the network, for the report.
        pixels: Fields of :class:`outtake.removal.preprocessing.Preprocessing`. Without ``size``,
            the network's own is used if it has one.

    Raises:
        ConfigError: The file is missing or not ONNX, ONNX Runtime is not installed, or an option
            cannot work.
        DeviceError: The device does not exist or is not available.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        inputs: Mapping[str, str] | None = None,
        device: str = "auto",
        licence: str = "",
        **pixels: Unpack[PreprocessingOptions],
    ) -> None:
        found = check_network_file(path, "an ONNX network")
        session = _open_session(found, device)
        contents = _resolve_inputs(found, session, inputs)
        side = _static_size(session)
        if side is not None and pixels.get("size") is None:
            pixels["size"] = side
        types = {entry.name: _DTYPES.get(entry.type, np.float32) for entry in session.get_inputs()}
        names = list(contents)

        def run(arrays: Sequence[Floats]) -> object:
            fed = {
                name: _to_dtype(array, types[name])
                for name, array in zip(names, arrays, strict=True)
            }
            return first_output(session.run(None, fed))

        super().__init__(
            found,
            run,
            list(contents.values()),
            Preprocessing(**pixels),
            licence=licence,
            device="cuda" if PROVIDERS["cuda"] in session.get_providers() else "cpu",
        )


def _open_session(path: Path, device: str) -> Any:
    if device not in tuple(_PROVIDERS):  # [cpu] has no hash
        raise DeviceError(f"remover.device={device}: unknown; use {', '.join(_PROVIDERS)}")
    try:
        runtime = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise ConfigError("remover=onnx needs ONNX Runtime: pip install 'outtake[onnx]'") from error
    present = runtime.get_available_providers()
    providers = [name for name in _PROVIDERS[device] if name in present]
    if not providers:
        raise DeviceError(
            f"remover.device={device}: this ONNX Runtime has {', '.join(present)}; use auto or cpu"
        )
    try:
        session = runtime.InferenceSession(str(path), providers=providers)
    except Exception as error:
        # The errors of ONNX Runtime have no other base class in common.
        reason = str(error).splitlines()[0][:200]
        raise ConfigError(
            f"remover.path={path}: cannot be loaded as an ONNX network ({reason})"
        ) from error
    if device != "auto":
        check_provider(session, providers[0], f"remover.device={device}")
    elif providers[0] not in session.get_providers():
        log.warning("remover.device=auto: the libraries of CUDA cannot be loaded; on the CPU")
    return session


def _to_dtype(array: Floats, dtype: Any) -> Any:
    return (np.rint(array) if dtype is np.uint8 else array).astype(dtype)


def _resolve_inputs(path: Path, session: Any, inputs: Mapping[str, str] | None) -> dict[str, str]:
    shapes = {entry.name: list(entry.shape) for entry in session.get_inputs()}
    listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    if inputs is None:
        by_channels = {INPUT_CHANNELS["image"]: "image", INPUT_CHANNELS["mask"]: "mask"}
        found = {
            name: by_channels[shape[1]]
            for name, shape in shapes.items()
            if len(shape) == 4 and shape[1] in by_channels
        }
        if sorted(found.values()) != ["image", "mask"] or len(found) != len(shapes):
            raise ConfigError(
                f"remover.path={path}: which input is which is not clear ({listed}); name them, "
                "as in remover.inputs={x:image,m:mask}"
            )
        return found
    if not isinstance(inputs, Mapping):
        raise ConfigError(
            f"remover.inputs={inputs}: must name the inputs, as in {{x:image,m:mask}}, or be null; "
            f"the inputs of {path} are: {listed}"
        )
    if set(inputs) != set(shapes):
        raise ConfigError(
            f"remover.inputs names {', '.join(map(str, inputs))}; the inputs of {path} are: "
            f"{listed}"
        )
    return dict(inputs)


def _static_size(session: Any) -> tuple[int, int] | None:
    for entry in session.get_inputs():
        sides = entry.shape[2:4]
        if len(sides) == 2 and all(isinstance(side, int) for side in sides):
            return sides[0], sides[1]
    return None
