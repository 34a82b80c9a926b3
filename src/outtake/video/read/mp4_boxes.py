"""Find the boxes of which MP4 and MOV files consist (ISO/IEC 14496-12)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

BOX_HEADER_BYTES = 16
_MAX_BOX_BYTES = 1 << 16


def measure_box(header: bytes, rest: int) -> int:
    """Return the length of a box by its first 16 bytes; ``rest`` is what there is to the end."""
    if len(header) < 8:
        return 8
    length = int.from_bytes(header[:4], "big")
    if length == 1:
        length = int.from_bytes(header[8:16], "big")
    # 0: to the end of the file; 1-7: not a box, the demuxer is to judge
    return rest if length < 8 else length


def list_boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, beginning of the content and end of the whole boxes between two bytes."""
    while start + 8 <= end:
        file.seek(start)
        header = file.read(BOX_HEADER_BYTES)
        is_long = header[:4] == b"\0\0\0\1"
        data, stop = start + (16 if is_long else 8), start + measure_box(header, end - start)
        if stop < data or stop > end:
            return
        yield header[4:8], data, stop
        start = stop


def find_boxes(
    file: BinaryIO, start: int, end: int, *kinds: bytes
) -> Iterator[tuple[bytes, int, int]]:
    """Yield the boxes of a kind between two bytes, each kind but the last being around the next."""
    for kind, data, stop in list_boxes(file, start, end):
        if kind == kinds[0]:
            if len(kinds) == 1:
                yield kind, data, stop
            else:
                yield from find_boxes(file, data, stop, *kinds[1:])


def read_box(file: BinaryIO, start: int, end: int) -> bytes:
    """Return the content of a box between two bytes, its first 64 KiB at most."""
    file.seek(start)
    return file.read(min(end - start, _MAX_BOX_BYTES))
