"""Resize and pool maps with fast deterministic gradients on CUDA.

Under ``torch.use_deterministic_algorithms`` torch refuses
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

_LINEAR_MODES = ("bilinear", "bicubic", "area")


def deterministic_resizing(x: torch.Tensor) -> AbstractContextManager[Any]:
    """Return a context in which maps computed from ``x`` are resized and pooled deterministically.

    On CUDA, with deterministic algorithms on, this is done by products of matrices; elsewhere
    nothing changes. The results equal torch's up to the rounding of
    ``torch.set_float32_matmul_precision``.
    """
    if x.is_cuda and torch.are_deterministic_algorithms_enabled():
        return MatrixResizing()
    return nullcontext()


class MatrixResizing(TorchFunctionMode):
    """Replaces ``interpolate`` and ``adaptive_avg_pool2d`` of 4-D maps by products of matrices.

    Interpolation to the nearest pixel and pooling to a single cell stay torch's: their gradients
    are deterministic already. A value that is not finite spreads over its whole map, where torch
    would keep it to its neighbours. Layers that are computed again in the backward pass (activation
    checkpointing) must enter this mode themselves, by their ``context_fn``.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call the function of torch, or the replacement of these two."""
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
    """Do as :func:`torch.nn.functional.interpolate`, with its arguments."""
    options = (mode, align_corners, recompute_scale_factor, antialias)
    sizes, scales = _per_axis(size), _per_axis(scale_factor)
    is_supported = input.ndim == 4 and input.is_floating_point() and mode in _LINEAR_MODES
    if not is_supported or len(sizes) != 2 or len(scales) != 2 or None not in (size, scale_factor):
        return F.interpolate(input, size, scale_factor, *options)  # which refuses what cannot be
    # Half precision would round the weights.
    dtype = torch.promote_types(input.dtype, torch.float32)
    columns, rows = (
        _axis_matrix(input.shape[axis], sizes[axis], scales[axis], options, dtype, input.device)
        for axis in (-1, -2)
    )
    return _multiply(input.to(dtype), rows, columns).to(input.dtype)


def _pool(input: torch.Tensor, output_size: Any) -> torch.Tensor:
    """Do as :func:`torch.nn.functional.adaptive_avg_pool2d`."""
    sizes = _per_axis(output_size)
    if input.ndim != 4 or len(sizes) != 2 or sizes == (1, 1):
        return F.adaptive_avg_pool2d(input, output_size)
    kept = [old if new is None else new for old, new in zip(input.shape[2:], sizes, strict=True)]
    return _interpolate(input, kept, mode="area")


def _per_axis(value: Any) -> tuple[Any, ...]:
    """Return the sizes or factors of height and width; a single value holds for both."""
    return tuple(value) if isinstance(value, Sequence) else (value, value)


# A network needs some dozens; a validation on images of many sizes needs more, one after another.
@lru_cache(maxsize=64)
def _axis_matrix(
    length: int,
    size: int | None,
    scale: float | None,
    options: tuple[Any, ...],
    dtype: torch.dtype,
    device: torch.device,
) -> torch.Tensor | None:
    """Return the (new length, length) matrix that resizes one axis; None if nothing changes.

    Its columns are torch's results for lines that are one at one place and zero elsewhere.
    """
    if size == length or (size is None and scale == 1):
        return None
    # A validation may come first, in inference mode; training needs the same matrix.
    with torch.inference_mode(False), torch.no_grad():
        # Along the width: torch (2.14) resizes columns of one pixel wrongly with antialiasing.
        lines = torch.eye(length, dtype=torch.float64, device="cpu").reshape(1, length, 1, length)
        sizes = None if size is None else (1, size)
        scales = None if scale is None else (1.0, scale)
        resized = F.interpolate(lines, sizes, scales, *options)
        return resized[0, :, 0].T.to(device, dtype).contiguous()


def _multiply(
    x: torch.Tensor, rows: torch.Tensor | None, columns: torch.Tensor | None
) -> torch.Tensor:
    """Map (B, C, H, W) with (h, H) and (w, W) to (B, C, h, w)."""
    batch, channels, height, width = x.shape
    with torch.autocast(x.device.type, enabled=False):
        # In the order of memory of channels_last, so that nothing is copied.
        maps = x.permute(0, 2, 3, 1)
        if columns is not None:
            maps = columns @ maps.reshape(batch * height, width, channels)
            width = len(columns)
        if rows is not None:
            maps = rows @ maps.reshape(batch, height, width * channels)
            height = len(rows)
        return maps.reshape(batch, height, width, channels).permute(0, 3, 1, 2)
