"""Chunks of a PNG that say what its samples mean: Pillow keeps some of them, OpenCV none."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path

from outtake.data.decode_files import PNG_SIGNATURE

_HEADER_BYTES = 33  # signature and IHDR
# Colours, with those of HDR under the names of drafts too; PNG specification, third edition, 11.3.
_COLOURS = frozenset(
    {b"cICP", b"mDCV", b"mDCv", b"cLLI", b"cLLi", b"gAMA", b"cHRM", b"sRGB", b"sBIT"}
)
RESOLUTION = b"pHYs"
# What is read and written elsewhere, and what a changed picture makes untrue.
_KNOWN = frozenset(
    {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"iCCP", b"eXIf", b"tEXt", b"zTXt", b"iTXt"}
    | {b"tIME", b"hIST", b"iDOT"}
)
_METRES_PER_INCH = 0.0254


def read_chunks(path: Path) -> tuple[dict[bytes, bytes], tuple[str, ...]]:
    """Read what a PNG says of its colours and of its resolution.

    Returns:
        The content of each of these chunks, by its name; and the names of all others that nothing
        else looks at.

    Raises:
        OSError: The file cannot be read.
    """
    kept: dict[bytes, bytes] = {}
    others: dict[str, None] = {}
    with path.open("rb") as file:
        if file.read(len(PNG_SIGNATURE)) != PNG_SIGNATURE:
            return {}, ()
        while len(head := file.read(8)) == 8:
            size, kind = int.from_bytes(head[:4], "big"), head[4:]
            if kind in _COLOURS or kind == RESOLUTION:
                kept.setdefault(kind, file.read(size))
                size = 0
            elif kind not in _KNOWN:
                others[kind.decode("ascii", "replace")] = None
            file.seek(size + 4, 1)
    return kept, tuple(others)


def insert_chunks(png: bytes, chunks: Mapping[bytes, bytes]) -> bytes:
    """Return a PNG with further chunks before its samples, by their names."""
    added = b"".join(_chunk(kind, content) for kind, content in chunks.items())
    return png[:_HEADER_BYTES] + added + png[_HEADER_BYTES:]


def encode_resolution(dpi: tuple[float, float]) -> bytes:
    """Return the content of a pHYs chunk."""
    sides = (round(each / _METRES_PER_INCH) for each in dpi)
    return b"".join(each.to_bytes(4, "big") for each in sides) + b"\x01"


def swap_sides(content: bytes) -> bytes:
    """Return the content of a pHYs chunk of a picture that lies on its side."""
    return content[4:8] + content[:4] + content[8:]


def _chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk as the PNG specification, third edition, section 5.3 lays it out."""
    check = zlib.crc32(kind + content)
    return len(content).to_bytes(4, "big") + kind + content + check.to_bytes(4, "big")
