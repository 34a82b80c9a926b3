"""Telling that memory is full, whoever says so."""

from __future__ import annotations

import sys

_OOM_PHRASES = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "ALLOC_FAILED",
    "Insufficient memory",  # OpenCV
    "Failed to allocate memory",  # ONNX Runtime
)
# Their errors are no RuntimeErrors.
_OOM_LIBRARIES = ("cv2", "onnxruntime")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that the device's or the machine's memory is full."""
    torch = sys.modules.get("torch")  # who has not imported it has no error of it
    if isinstance(error, MemoryError) or (torch and isinstance(error, torch.OutOfMemoryError)):
        return True
    library = type(error).__module__.split(".")[0] in _OOM_LIBRARIES
    told = isinstance(error, RuntimeError) or library
    return told and any(words in str(error) for words in _OOM_PHRASES)
