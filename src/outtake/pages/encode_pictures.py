"""Pictures for a page, decoded and encoded anew, so that nothing else of a file is kept."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from outtake.core.types import Frame

MAX_PIXELS = 60_000_000
QUALITY = 72


def read_picture(path: Path) -> Frame | None:
    """Read an RGB picture, or return None if it cannot be read or is larger than ours."""
    try:
        with Image.open(path) as header:
            width, height = header.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    if width * height > MAX_PIXELS:
        return None
    try:
        picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR_RGB)
    except (OSError, cv2.error):
        return None
    return None if picture is None else np.asarray(picture, np.uint8)


def encode_data_uri(picture: Frame, quality: int = QUALITY) -> str:
    """Encode an RGB picture as JPEG in a ``data:`` address."""
    _, packed = cv2.imencode(
        ".jpg", np.ascontiguousarray(picture[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    return "data:image/jpeg;base64," + base64.b64encode(packed.tobytes()).decode()
