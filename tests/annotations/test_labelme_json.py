"""Shapes of LabelMe whose few bytes promise a lot."""

import base64
import struct
import zlib

import pytest

from outtake.annotations.labelme_json import read_labelme_shape


def test_a_bitmap_of_a_few_bytes_cannot_ask_for_gigabytes():
    def chunk(kind, content):
        end = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + end

    head = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0"))
    record = {
        "label": "a",
        "shape_type": "mask",
        "points": [[0, 0], [1, 1]],
        "mask": base64.b64encode(png).decode(),
    }
    with pytest.raises(ValueError, match="40000x40000"):
        read_labelme_shape(record)
