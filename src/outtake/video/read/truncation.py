"""Detect truncated and damaged files by the structure of their containers.

FFmpeg's demuxers read a truncated Matroska, AVI, fragmented or "faststart" MP4 file to its end
and report nothing, and a duration cannot be compared exactly where the frame rate varies. The
containers themselves state their length in bytes, so that is compared.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from outtake.video.read.container_parsers import (
    BrokenStructureError,
    find_asf_end,
    find_flv_end,
    find_gif_end,
    find_ivf_end,
    find_mxf_end,
    find_ogg_end,
    find_riff_end,
)
from outtake.video.read.mp4_boxes import BOX_HEADER_BYTES, measure_box

_EBML_MAGIC = b"\x1a\x45\xdf\xa3"
_EBML_SEGMENT = 0x18538067
_EBML_CLUSTER = 0x1F43B675
# The elements of a segment and of a cluster (RFC 9559).
_EBML_KNOWN_IDS = {
    0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367,
    _EBML_CLUSTER, 0xE7, 0xA3, 0xA0, 0xA7, 0xAB, 0xAF, 0x5854, 0xEC, 0xBF,
}  # fmt: skip
_UNKNOWN_LENGTH = -1
_TS_PACKET_BYTES = 188
_TS_READ_BYTES = _TS_PACKET_BYTES << 14
_TS_SYNC_BYTE = ord("G")
_PARSERS = {
    b"RIFF": find_riff_end,
    b"FLV": find_flv_end,
    b"GIF8": find_gif_end,
    b"OggS": find_ogg_end,
    b"DKIF": find_ivf_end,
    bytes.fromhex("060e2b34020501010d010201"): find_mxf_end,
    bytes.fromhex("3026b2758e66cf11"): find_asf_end,
}
_MP4_FIRST_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"pnot"}


def missing_bytes(path: Path) -> int:
    """Return how many bytes a container promises beyond the end of its file; 0 if complete.

    This understands MP4 and MOV (ISO/IEC 14496-12), Matroska and WebM (RFC 8794), AVI (RIFF), MPEG
    transport streams, Flash video, ASF, Ogg, GIF, IVF and MXF; any other file counts as complete.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            end = _choose_parser(file.read(2 * _TS_PACKET_BYTES))(file, size)
        except BrokenStructureError:
            return 0
    return max(end - size, 0)


def find_mp4_rubbish(path: Path) -> int | None:
    """Return the byte behind the last box of an MP4 file, if what follows may be no box at all.

    An application that rewrites a shorter file over a longer one leaves the old end behind it. It
    is None where the index itself is cut off, and for a film in fragments, whose index is not in
    one place.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if _choose_parser(file.read(2 * _TS_PACKET_BYTES)) is not _find_mp4_end:
            return None
        position, kinds = 0, set()
        while position < size:
            file.seek(position)
            header = file.read(BOX_HEADER_BYTES)
            kinds.add(header[4:8])
            end = position + measure_box(header, size - position)
            if end > size:
                break
            position = end
    return None if kinds & {b"moof"} or header[4:8] == b"moov" else position


def find_broken_byte(path: Path) -> int | None:
    """Return the byte at which the parts of a file stop following on one another.

    FFmpeg skips what it cannot parse up to the next part that it knows, or to the end, and says
    nothing. This understands Matroska and WebM, AVI, MPEG transport streams, Flash video, Ogg,
    GIF and MXF. It is None for an intact file and for any other container.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(2 * _TS_PACKET_BYTES)
        if not head.startswith(_EBML_MAGIC):
            try:
                _choose_parser(head)(file, size)
            except BrokenStructureError as broken:
                return broken.position
            return None
        return _find_ebml_break(file, 0, size, (_EBML_SEGMENT, _EBML_CLUSTER))


def _find_ebml_break(file: BinaryIO, start: int, end: int, parents: tuple[int, ...]) -> int | None:
    position, live = start, False
    while position < end:
        file.seek(position)
        identifier = _read_ebml_number(file, keep_marker=True)
        length = _read_ebml_number(file, keep_marker=False)
        content = file.tell()
        if length == _UNKNOWN_LENGTH and identifier in parents:
            position, live = content, True  # it ends where the next of its kind begins
            continue
        if identifier is None or length is None or length < 0 or content + length > end:
            return position
        if live and identifier not in _EBML_KNOWN_IDS:
            return position
        if identifier in parents:
            inside = _find_ebml_break(file, content, content + length, parents)
            if inside is not None:
                return inside
        position = content + length
    return None


def _choose_parser(head: bytes) -> Callable[[BinaryIO, int], int]:
    if head[4:8] in _MP4_FIRST_BOXES:
        return _find_mp4_end
    if head.startswith(_EBML_MAGIC):
        return _find_ebml_end
    for magic, layout in _PARSERS.items():
        if head.startswith(magic):
            return layout
    if head[:1] == b"G" and head[_TS_PACKET_BYTES : _TS_PACKET_BYTES + 1] == b"G":
        return _find_transport_stream_end
    return _assume_complete


def _assume_complete(_: BinaryIO, size: int) -> int:
    return size


def _find_transport_stream_end(file: BinaryIO, size: int) -> int:
    file.seek(0)
    for start in range(0, size, _TS_READ_BYTES):
        marks = file.read(_TS_READ_BYTES)[::_TS_PACKET_BYTES]
        if marks.strip(b"G"):
            lost = next(place for place, mark in enumerate(marks) if mark != _TS_SYNC_BYTE)
            raise BrokenStructureError(start + lost * _TS_PACKET_BYTES)
    return -(-size // _TS_PACKET_BYTES) * _TS_PACKET_BYTES


def _find_mp4_end(file: BinaryIO, size: int) -> int:
    position = 0
    while position < size:
        file.seek(position)
        position += measure_box(file.read(BOX_HEADER_BYTES), size - position)
    return position


def _find_ebml_end(file: BinaryIO, size: int) -> int:
    position = 0
    while position < size:
        file.seek(position)
        identifier = _read_ebml_number(file, keep_marker=True)
        length = _read_ebml_number(file, keep_marker=False)
        if identifier is None or length is None or length == _UNKNOWN_LENGTH:
            return size
        position = file.tell() + length
        if identifier == _EBML_SEGMENT:
            return position
    return position


def _read_ebml_number(file: BinaryIO, *, keep_marker: bool) -> int | None:
    first = file.read(1)
    if not first or not first[0]:  # the end, or a width above 8 bytes, which none has
        return None
    width = 9 - first[0].bit_length()
    rest = file.read(width - 1)
    marked = int.from_bytes(first + rest, "big")
    value = marked & ((1 << (7 * width)) - 1)
    if not keep_marker and value == (1 << (7 * width)) - 1:
        return _UNKNOWN_LENGTH
    return marked if keep_marker else value
