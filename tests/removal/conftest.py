from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from tests.removal.frames import TIME_BASE

LEVELS = [20, 60, 100, 140, 180, 220]


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    """Six grey frames, 100 ms each, from 0.5 s on."""
    path = tmp_path / "behind.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 40, "bgr0"
        stream.time_base = TIME_BASE
        for index, level in enumerate(LEVELS):
            picture = av.VideoFrame.from_ndarray(np.full((40, 64, 3), level, np.uint8))
            picture.pts, picture.time_base = 500 + 100 * index, TIME_BASE
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path
