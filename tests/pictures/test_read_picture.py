"""Pictures are read with all that is needed to write them again."""

import numpy as np
import pytest
from PIL import Image

from outtake.core.errors import UnreadableImageError
from outtake.data import decode_files
from outtake.pictures.read_picture import read_picture


def test_a_grey_picture_needs_room_for_its_colours(tmp_path, monkeypatch):
    path = tmp_path / "grey.png"
    Image.fromarray(np.zeros((4000, 6000), np.uint8)).save(path)
    monkeypatch.setattr(decode_files, "free_memory_bytes", lambda: 500_000_000)
    with pytest.raises(UnreadableImageError, match=r"6000 x 4000 take 0\.6 GB"):
        read_picture(path)
