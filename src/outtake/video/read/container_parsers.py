"""Find where a file of a simple container must end by its own structure.

Each function takes an open file and its size, and returns the byte at which the file must end:
``size`` if all is there or nothing can be known, more if something is missing. It raises
:class:`BrokenStructureError` where one part does not follow on another: FFmpeg would look for the
next part that it knows, without a word about what lies between.
"""

from __future__ import annotations

from typing import BinaryIO

_FLV_TAG_BYTES = 11
_FLV_TAGS = (8, 9, 18)  # sound, picture, script
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_BROADCAST = 1
_GIF_TRAILER, _GIF_IMAGE, _GIF_EXTENSION = 0x3B, 0x2C, 0x21
_OGG_LAST_PAGE = 4
_RIFF_UNKNOWN = 0xFFFFFFFF
# The beginning of every key (SMPTE ST 336), and of that of a partition (ST 377-1).
_KLV_KEY, _MXF_PARTITION = bytes.fromhex("060e2b34"), bytes.fromhex("060e2b34020501010d01020101")
_MXF_PARTITION_KINDS, _MXF_FOOTER, _MXF_FOOTER_BYTE = (2, 3, 4), 4, 24  # header, body, footer
_IVF_HEADER_BYTES, _IVF_FRAME_BYTES = 32, 12


class BrokenStructureError(Exception):
    """The parts of a file do not follow on one another.

    Attributes:
        position: The byte at which they stop doing so.
    """

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


def find_flv_end(file: BinaryIO, size: int) -> int:
    """Follow the tags of a Flash video: each is followed by its own length."""
    file.seek(5)
    position = int.from_bytes(file.read(4), "big") + 4
    while position < size:
        file.seek(position)
        head = file.read(_FLV_TAG_BYTES)
        if head[0] & 0x1F not in _FLV_TAGS:
            raise BrokenStructureError(position)
        if len(head) < _FLV_TAG_BYTES:
            return position + _FLV_TAG_BYTES
        length = _FLV_TAG_BYTES + int.from_bytes(head[1:4], "big")
        file.seek(position + length)
        stated = file.read(4)
        if len(stated) == 4 and int.from_bytes(stated, "big") not in (length, 0):
            raise BrokenStructureError(position)
        position += length + 4
    return position


def find_gif_end(file: BinaryIO, size: int) -> int:
    """Follow the blocks of a GIF (GIF89a) to its trailer."""
    file.seek(10)
    position = 13 + _gif_palette_bytes(file.read(1))
    while position < size:
        file.seek(position)
        kind = file.read(1)[0]
        if kind == _GIF_TRAILER:
            return size
        if kind == _GIF_IMAGE:
            position += 10 + _gif_palette_bytes(file.read(9)[8:]) + 1
        elif kind == _GIF_EXTENSION:
            position += 2
        else:
            raise BrokenStructureError(position)
        length = 1
        while length and position < size:
            file.seek(position)
            length = file.read(1)[0]
            position += length + 1
    return position + 1


def _gif_palette_bytes(flags: bytes) -> int:
    """Return the size in bytes of the colour table that a descriptor announces."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def find_asf_end(file: BinaryIO, size: int) -> int:
    """Read the length that an ASF or WMV file names, unless it is a broadcast."""
    file.seek(0)
    head = file.read(4096)
    place = head.find(_ASF_FILE_PROPERTIES)
    if place < 0 or len(head) < place + 92:
        return size
    promised = int.from_bytes(head[place + 40 : place + 48], "little")
    flags = int.from_bytes(head[place + 88 : place + 92], "little")
    return size if flags & _ASF_BROADCAST else max(promised, size)


def find_ogg_end(file: BinaryIO, size: int) -> int:
    """Follow the pages of an Ogg file (RFC 3533); the last of each track is marked."""
    position, running = 0, set()
    while position < size:
        file.seek(position)
        head = file.read(27)
        if head[:4] != b"OggS"[: len(head)]:
            raise BrokenStructureError(position)
        if len(head) < 27:
            return position + 27
        track = head[14:18]
        running.add(track)
        if head[5] & _OGG_LAST_PAGE:
            running.discard(track)
        position += 27 + head[26] + sum(file.read(head[26]))
    return position + 27 * bool(running)


def find_ivf_end(file: BinaryIO, size: int) -> int:
    """Follow the frames of an IVF file."""
    position = _IVF_HEADER_BYTES
    while position < size:
        file.seek(position)
        head = file.read(_IVF_FRAME_BYTES)
        if len(head) < _IVF_FRAME_BYTES:
            return position + _IVF_FRAME_BYTES
        position += _IVF_FRAME_BYTES + int.from_bytes(head[:4], "little")
    return position


def find_mxf_end(file: BinaryIO, size: int) -> int:
    """Follow the triplets of key, length and value of an MXF file (SMPTE ST 377-1).

    The header names the place of the footer, unless the file was not closed. What is no triplet
    may follow the footer.
    """
    position, footer, is_closed = 0, 0, False
    while position < size:
        file.seek(position)
        head = file.read(25)
        width = head[16] - 0x80 if len(head) > 16 and head[16] > 0x80 else 0
        if head[:4] != _KLV_KEY[: len(head)] or width > 8:
            if is_closed:
                return size
            raise BrokenStructureError(position)
        if len(head) < 17 + width:
            return max(position + 17 + width, footer)
        length = int.from_bytes(head[17 : 17 + width], "big") if width else head[16]
        value = position + 17 + width
        if head.startswith(_MXF_PARTITION) and head[13] in _MXF_PARTITION_KINDS:
            is_closed |= head[13] == _MXF_FOOTER
            file.seek(value + _MXF_FOOTER_BYTE)
            footer = max(footer, int.from_bytes(file.read(8), "big"))
        position = value + length
    return max(position, footer + 17 if footer else 0)


def find_riff_end(file: BinaryIO, size: int) -> int:
    """Follow the chunks of an AVI file; one over 1 GB is several RIFF chunks in a row (OpenDML)."""
    position = 0
    while position < size:
        file.seek(position)
        header = file.read(8)
        length = int.from_bytes(header[4:8], "little")
        if header[:4] != b"RIFF" or length in (0, _RIFF_UNKNOWN):
            return size
        position += 8 + length + length % 2
        if position <= size:
            _check_riff_chunks(file, position - length - length % 2 + 4, position)
    return position


def _check_riff_chunks(file: BinaryIO, position: int, end: int) -> None:
    """Raise an error where the chunks between two bytes do not follow on one another."""
    while position + 8 <= end:
        file.seek(position)
        header = file.read(12)
        length = int.from_bytes(header[4:8], "little")
        inside = position + 8 + length
        if not all(32 <= byte < 127 for byte in header[:4]) or inside > end:
            raise BrokenStructureError(position)
        if header[:4] == b"LIST" and header[8:12] in (b"movi", b"rec "):
            _check_riff_chunks(file, position + 12, inside)
        position = inside + length % 2
