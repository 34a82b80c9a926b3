"""Resolve the name of a device."""

from __future__ import annotations

import torch

from outtake.core.errors import DeviceError


def resolve_device(name: str) -> torch.device:
    """Return the device for ``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        DeviceError: This machine does not have it, or there is no such name.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise DeviceError(f"device={name}: unknown; use auto, cpu or cuda") from error
    if device.type not in ("cpu", "cuda"):
        raise DeviceError(f"device={name}: not supported; use auto, cpu or cuda")
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if not count:
            raise DeviceError(f"device={name}: this machine has no CUDA device; use cpu or auto")
        if device.index is not None and device.index >= count:
            raise DeviceError(f"device={name}: there are {count} CUDA devices, counted from 0")
    return device
