"""An inpainting network in a TorchScript file as remover."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

from outtake.core.errors import ConfigError, DeviceError
from outtake.removal.inpainting_network import (
    InpaintingNetwork,
    RunNetwork,
    check_network_file,
    first_output,
)
from outtake.removal.preprocessing import Floats, Preprocessing, PreprocessingOptions

DEVICES = ("auto", "cpu", "cuda")


class TorchScript(InpaintingNetwork):
    """Fills with an inpainting network that was saved by ``torch.jit.save``.

    Args:
        path: The file. It is a program: use only one that you trust.
        inputs: The inputs of the network in its order: image and mask, or one tensor of both
            (``image+mask`` or ``mask+image``).
        device: ``auto`` (CUDA where available), ``cpu`` or ``cuda``.
        licence: The licence of the network, for the report.
        pixels: Fields of :class:`outtake.removal.preprocessing.Preprocessing`.

    Raises:
        ConfigError: The file is missing or not TorchScript, or an option cannot work.
        DeviceError: The device does not exist or is not available.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        inputs: Sequence[str] = ("image", "mask"),
        device: str = "auto",
        licence: str = "",
        **pixels: Unpack[PreprocessingOptions],
    ) -> None:
        found = check_network_file(path, "a TorchScript network")
        preprocessing = Preprocessing(**pixels)
        place = _resolve_device(device)
        run = _load(found, place)
        super().__init__(found, run, inputs, preprocessing, licence=licence, device=place)


def _resolve_device(device: str) -> str:
    import torch

    if device not in DEVICES:
        raise DeviceError(f"remover.device={device}: unknown; use {', '.join(DEVICES)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("remover.device=cuda: there is no CUDA device; use auto or cpu")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


def _load(path: Path, device: str) -> RunNetwork:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            load: Any = torch.jit.load
            network = load(str(path), map_location=device).eval()
    except (RuntimeError, ValueError, OSError) as error:
        raise ConfigError(
            f"remover.path={path}: is not a TorchScript file; save the network by torch.jit.save"
        ) from error

    def run(inputs: Sequence[Floats]) -> object:
        with torch.inference_mode():
            tensors = (torch.from_numpy(value).to(device) for value in inputs)
            result = first_output(network(*tensors))
        if not isinstance(result, torch.Tensor):
            raise TypeError(f"the network returned a {type(result).__name__} and not a tensor")
        return result.float().cpu().numpy()

    return run
