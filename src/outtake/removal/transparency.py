"""Tell whether an image lets something through."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SAVE_OPAQUE = "is transparent somewhere; save it without transparency (flattened)"


def is_transparent(content: NDArray[np.uint8]) -> bool:
    """Return whether an image is transparent somewhere, by its alpha or by its palette.

    Args:
        content: The bytes of its file; of one that OpenCV does not read, nothing is known.
    """
    decoded = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if content.size else None
    if decoded is None or decoded.ndim != 3 or decoded.shape[2] != 4:
        return False
    opaque = np.iinfo(decoded.dtype).max if decoded.dtype.kind == "u" else 1
    return bool((decoded[..., 3] < opaque).any())
