"""The precision of a training, chosen by what the hardware computes in."""

from __future__ import annotations

import logging
from typing import Any

import torch

log = logging.getLogger(__name__)

_SINGLE, _MIXED = "32-true", "bf16-mixed"


def resolve_precision(precision: str | int | None, *, on_gpu: bool) -> Any:
    """Return what Lightning takes for ``precision``; one line says what ``auto`` has become.

    Args:
        precision: A precision of Lightning's; ``auto`` for bfloat16 where the hardware computes in
            it, and float32 elsewhere, where bfloat16 is many times slower; None for float32.
        on_gpu: Whether the training runs on a GPU.
    """
    if precision is None:
        return _SINGLE
    if precision != "auto":
        return precision
    if on_gpu:
        has_bfloat16, where = torch.cuda.is_bf16_supported(including_emulation=False), "this GPU"
    else:
        found = torch.cpu.get_capabilities()
        has_bfloat16 = any(value for name, value in found.items() if name.endswith("bf16"))
        where = "this processor"
    chosen = _MIXED if has_bfloat16 else _SINGLE
    reason = "computes" if has_bfloat16 else "does not compute"
    log.info("trainer.precision=auto is %s: %s %s in bfloat16", chosen, where, reason)
    return chosen
