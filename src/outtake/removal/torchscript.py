"""A TorchScript file as remover."""

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
        path: the file. It is a program: use only one that you trust.
        inputs: what the network takes, in its order: image and mask, or one tensor of both
            (``image+mask`` or ``mask+image``).
        device: ``auto`` (CUDA where it is), ``cpu`` or ``cuda``.
        licence: under which the network may be used; goes into the report.
        pixels: fields of :class:`outtake.removal.preprocessing.Preprocessing`.

    Raises:
        ConfigError: the file is missing or no TorchScript, or an option can not work.
        DeviceError: the device does not exist or is not here.
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
            f"remover.path={path}: is no TorchScript file; save the network by torch.jit.save"
        ) from error

    def run(inputs: Sequence[Floats]) -> object:
        with torch.inference_mode():
            tensors = (torch.from_numpy(value).to(device) for value in inputs)
            result = first_output(network(*tensors))
        if not isinstance(result, torch.Tensor):
            raise TypeError(f"the network gave a {type(result).__name__} and no tensor")
        return result.float().cpu().numpy()

    return run
