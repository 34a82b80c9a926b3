"""Pictures are read with all that is needed to write them again."""

import struct
import zlib

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


@pytest.fixture
def never_decodes(monkeypatch):
    def refuse(*_):
        raise AssertionError("the pixels were decoded")

    monkeypatch.setattr(decode_files, "_decode_pillow", refuse)


def test_a_picture_without_room_for_its_colours_is_refused_by_its_header(
    tmp_path, monkeypatch, never_decodes
):
    path = tmp_path / "large.png"
    Image.fromarray(np.zeros((4000, 6000), np.uint8)).save(path)
    monkeypatch.setattr(decode_files, "free_memory_bytes", lambda: 500_000_000)
    with pytest.raises(UnreadableImageError, match=r"6000 x 4000 take 0\.6 GB"):
        read_picture(path)


def test_a_png_that_promises_more_than_its_bytes_can_hold_is_not_decoded(tmp_path, never_decodes):
    path = tmp_path / "bomb.png"
    Image.new("RGB", (4, 4)).save(path)
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", 9000, 7000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path.write_bytes(data)
    with pytest.raises(UnreadableImageError, match=r"promises 9000 x 7000 pixels, which no PNG of"):
        read_picture(path)


@pytest.mark.parametrize("mode", ["1", "P", "L", "RGB", "I;16"])
def test_an_empty_picture_that_is_packed_as_well_as_can_be_is_read(tmp_path, mode):
    Image.new(mode, (3000, 2000)).save(tmp_path / "empty.png", optimize=True)
    assert read_picture(tmp_path / "empty.png").size == (2000, 3000)
