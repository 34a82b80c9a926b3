"""Out of memory: recognise it, whoever reports it, and say in one line what to set smaller."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from outtake.core.errors import OutOfMemoryError

_OOM_TEXT = re.compile(
    r"out of memory|OutOfMemory|MemoryError|not enough memory|can.t allocate memory|ALLOC_FAILED"
    r"|Insufficient memory"  # OpenCV
    r"|Failed to allocate memory",  # ONNX Runtime
    re.IGNORECASE,
)
# Their errors are no RuntimeErrors.
_OOM_LIBRARIES = ("cv2", "onnxruntime")


def mentions_out_of_memory(text: str) -> bool:
    """Return True if a message or the end of a log says that memory is full."""
    return _OOM_TEXT.search(text) is not None


def is_out_of_memory(error: BaseException) -> bool:
    """Return True if an exception says that the memory of the device or the machine is full."""
    torch = sys.modules.get("torch")  # without an import of torch there is no error of it
    if isinstance(error, MemoryError) or (torch and isinstance(error, torch.OutOfMemoryError)):
        return True
    library = type(error).__module__.split(".")[0] in _OOM_LIBRARIES
    return (isinstance(error, RuntimeError) or library) and mentions_out_of_memory(str(error))


@contextmanager
def explain_backend_oom(
    backend: object, frames: int, input_size: tuple[int, int], size: tuple[int, int] | None = None
) -> Iterator[None]:
    """Explain in one line that a network does not fit into memory; used around a run of it.

    Args:
        backend: The backend that runs the network.
        frames: The number of frames in a batch.
        input_size: Their height and width as the network sees them.
        size: The height and width of their labels; None for ``input_size``.

    Raises:
        OutOfMemoryError: The batch does not fit; the message names the sizes, and the keys that
            make them smaller.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        device = _backend_device(backend)
        (height, width), (label_height, label_width) = input_size, size or input_size
        other = "" if device == "cpu" else ", or device=cpu"
        raise OutOfMemoryError(
            f"out of memory on {device}: {frames} frames of {label_width}x{label_height} at a "
            f"time, which the network sees at {width}x{height}; set a smaller "
            f"network.batch_size (now {frames}) or network.short_side, or network.window=SIDE to "
            f"see large frames in parts{other}"
        ) from error


def _backend_device(backend: object) -> str:
    """Return where a backend computes: ``cuda:0``, ONNX Runtime's ``cuda`` or ``tensorrt``."""
    network = backend
    while hasattr(network, "network"):  # what averages or labels is around what computes
        network = network.network
    return str(getattr(network, "device", getattr(network, "provider", "cpu")))
