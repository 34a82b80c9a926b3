"""Resizing and pooling of maps with fast deterministic gradients on CUDA.

Where deterministic algorithms are asked for (``torch.use_deterministic_algorithms``), torch refuses
the gradient of adaptive pooling and of antialiased interpolation on CUDA, and makes that of
bilinear interpolation from indexing, which can take several times as long as the rest of a network.
All of these are linear in each axis: here they are two products with the matrices that torch's own
kernels would apply, and products of matrices are deterministic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

LINEAR_MODES = ("bilinear", "bicubic", "area")


def deterministic_resizing(x: torch.Tensor) -> AbstractContextManager[Any]:
    """Return a context for what is computed from ``x``.

    Inside, on CUDA and with deterministic algorithms on, maps are resized and pooled by products of
    matrices; elsewhere nothing is changed. The results are torch's up to rounding.
    """
    if x.is_cuda and torch.are_deterministic_algorithms_enabled():
        return MatrixResizing()
    return nullcontext()


class MatrixResizing(TorchFunctionMode):
    """Inside, ``interpolate`` and ``adaptive_avg_pool2d`` of 4-D maps are products of matrices.

    Interpolation to the nearest pixel and pooling to a single cell stay: their gradients are
    deterministic already.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Do what torch was asked for, these two in another way."""
        if func is F.interpolate:
            return _interpolate(*args, **kwargs or {})
        if func is F.adaptive_avg_pool2d:
            return _pool(*args, **kwargs or {})
        return func(*args, **kwargs or {})


def _interpolate(
    input: torch.Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> torch.Tensor:
    """As :func:`torch.nn.functional.interpolate`, whose arguments these are."""
    options = (mode, align_corners, recompute_scale_factor, antialias)
    if input.ndim != 4 or mode not in LINEAR_MODES:
        return F.interpolate(input, size, scale_factor, *options)
    matrices = [
        _weights(
            length, _of(size, axis, int), _of(scale_factor, axis, float), options, input.device
        )
        for axis, length in enumerate(input.shape[2:])
    ]
    return _multiplied(input, *matrices)


def _pool(input: torch.Tensor, output_size: Any) -> torch.Tensor:
    """As :func:`torch.nn.functional.adaptive_avg_pool2d`."""
    if input.ndim != 4 or output_size in (1, (1, 1), [1, 1]):
        return F.adaptive_avg_pool2d(input, output_size)
    size = output_size if isinstance(output_size, Sequence) else (output_size, output_size)
    kept = [old if new is None else new for old, new in zip(input.shape[2:], size, strict=True)]
    return _interpolate(input, kept, mode="area")


def _of(value: Any, axis: int, kind: type) -> Any:
    """Return a size or a factor along an axis; one that is given once is that of both."""
    each = value[axis] if isinstance(value, Sequence) else value
    return None if each is None else kind(each)


@lru_cache(maxsize=256)
def _weights(
    length: int, size: int | None, scale: float | None, options: tuple[Any, ...], device: Any
) -> torch.Tensor:
    """Return the float64 (new length, length) matrix that resizes one axis.

    Its columns are what torch makes of the lines that are one at one place and zero elsewhere.
    """
    # A validation, which may come first, is in inference mode; training needs the same matrix.
    with torch.inference_mode(False), torch.no_grad():
        # Along the width: torch (2.14) resizes columns of one pixel wrongly with antialiasing.
        lines = torch.eye(length, dtype=torch.float64, device="cpu").reshape(1, length, 1, length)
        sizes = None if size is None else (1, size)
        scales = None if scale is None else (1.0, scale)
        resized = F.interpolate(lines, sizes, scales, *options)
        return resized[0, :, 0].T.contiguous().to(device)


def _multiplied(x: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Map (B, C, H, W) with (h, H) and (w, W) to (B, C, h, w), computed in float32 at least."""
    batch, channels, height, width = x.shape
    dtype = torch.promote_types(x.dtype, torch.float32)
    with torch.autocast(x.device.type, enabled=False):
        # In the order of memory of channels_last, so that nothing is copied.
        maps = x.to(dtype).permute(0, 2, 3, 1)
        maps = rows.to(dtype) @ maps.reshape(batch, height, width * channels)
        maps = columns.to(dtype) @ maps.reshape(batch * len(rows), width, channels)
        maps = maps.reshape(batch, len(rows), len(columns), channels)
        return maps.permute(0, 3, 1, 2).to(x.dtype)
