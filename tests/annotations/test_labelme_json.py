"""Shapes of LabelMe whose few bytes promise a lot."""

import base64
import struct
import zlib

import pytest

from outtake.annotations.labelme_json import read_labelme_shape, read_labelme_shapes


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


def test_a_shape_that_is_damaged_or_has_no_area_is_named_by_its_place():
    good = {"label": "a", "points": [[0, 0], [4, 0], [4, 4]]}
    assert [each.origin for each in read_labelme_shapes({"shapes": [good]})] == ["shape 1 (a)"]
    for points, said in (([[0, 0], [4, 4]], "of 2 points has no area"), ("x", "could not convert")):
        with pytest.raises(ValueError, match=rf"^shape 2 \(b\): .*{said}"):
            read_labelme_shapes({"shapes": [good, {"label": "b", "points": points}]})
