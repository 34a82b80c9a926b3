"""What to do when a network does not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from outtake.core.errors import OutOfMemoryError
from outtake.core.oom import is_out_of_memory


@contextmanager
def explain_backend_oom(
    backend: object, frames: int, input_size: tuple[int, int], size: tuple[int, int] | None = None
) -> Iterator[None]:
    """Around a run of the network.

    Args:
        backend: what runs it.
        frames: how many at a time.
        input_size: their height and width for the network.
        size: the height and width of their labels; None for the same.

    Raises:
        OutOfMemoryError: it does not fit; with the sizes, and the keys that make them smaller.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        device = _backend_device(backend)
        (height, width), (high, wide) = input_size, size or input_size
        other = "" if device == "cpu" else ", or device=cpu"
        raise OutOfMemoryError(
            f"out of memory on {device}: {frames} frames of {wide}x{high} at a time, which the "
            f"network sees at {width}x{height}; set a smaller batch_size (now {frames}) or "
            f"short_side, window=SIDE to see large frames in parts{other}"
        ) from error


def _backend_device(backend: object) -> str:
    """Return where a backend computes: ``cuda:0``, ONNX Runtime's ``cuda`` or ``tensorrt``."""
    network = getattr(backend, "network", backend)
    return str(getattr(network, "device", getattr(network, "provider", "cpu")))
