"""Write the size at which a Matroska or WebM picture is shown into a finished file.

Only that size says that pixels are not square if the codec itself cannot say so
(VP9, AV1, FFV1, ProRes), and the muxer leaves it out. The elements are those of RFC 9559. The
muxer leaves an empty element before them, whose room is used: nothing after the track
list moves.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

_SEGMENT, _SEEK_HEAD, _VOID, _CLUSTER = 0x18538067, 0x114D9B74, 0xEC, 0x1F43B675
_TRACKS, _TRACK, _VIDEO, _CRC = 0x1654AE6B, 0xAE, 0xE0, 0xBF
_SEEK, _SEEK_POSITION = 0x4DBB, 0x53AC
_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT = 0x54B0, 0x54BA, 0x54B2

_HEAD_BYTES = 1 << 20
_MAX_SIDE_PX = 1 << 16


@dataclass(frozen=True, slots=True)
class _Element:
    id: int
    start: int
    data: int
    end: int


def display_size(width: int, height: int, aspect: Fraction) -> tuple[int, int]:
    """Return the size at which pixels of an aspect are shown, exact if possible."""
    if (width * aspect.numerator) % aspect.denominator == 0:
        return int(width * aspect), height
    exact = width * aspect.numerator, height * aspect.denominator
    return exact if max(exact) < _MAX_SIDE_PX else (round(width * aspect), height)


def set_display_size(path: Path, width: int, height: int) -> bool:
    """Store in a finished file the size at which its picture is shown.

    Returns:
        False if the file has no room for that and stays as it was.
    """
    with path.open("r+b") as file:
        head = file.read(_HEAD_BYTES)
        segment = next((e for e in _parse_elements(head, 0, len(head)) if e.id == _SEGMENT), None)
        if segment is None:
            return False
        parts: dict[int, _Element] = {}
        for element in _parse_elements(head, segment.data, len(head)):
            if element.id == _CLUSTER:
                break
            parts.setdefault(element.id, element)
        if not {_SEEK_HEAD, _VOID, _TRACKS} <= parts.keys():
            return False
        seek_head, void, tracks = parts[_SEEK_HEAD], parts[_VOID], parts[_TRACKS]
        grown = _tracks_with_display_size(head, tracks, width, height)
        more = len(grown) - (tracks.end - tracks.start)
        room = void.end - void.start - more
        if not seek_head.end <= void.start < tracks.start or room < 9:
            return False
        empty = _VOID.to_bytes(1, "big") + _encode_size(room - 9, 8) + bytes(room - 9)
        moved = (void.end - segment.data, tracks.start - segment.data)
        seeks = _shift_seek_positions(head, seek_head, moved, more)
        between = head[void.end : tracks.start]
        file.seek(seek_head.start)
        file.write(seeks + head[seek_head.end : void.start] + empty + between + grown)
    return True


def _parse_elements(data: bytes, start: int, end: int) -> Iterator[_Element]:
    """Yield the elements that begin between two bytes; one of unknown size reaches to the end."""
    while start < end - 1 and data[start]:
        id_length = 9 - data[start].bit_length()
        place = start + id_length
        if place >= end or not data[place]:
            return
        length = 9 - data[place].bit_length()
        value = int.from_bytes(data[place : place + length], "big") - (1 << 7 * length)
        content = place + length
        unknown = value == (1 << 7 * length) - 1
        stop = end if unknown else content + value
        yield _Element(int.from_bytes(data[start:place], "big"), start, content, stop)
        start = stop


def _encode_size(value: int, min_length: int = 1) -> bytes:
    length = min_length
    while value >= (1 << 7 * length) - 1:
        length += 1
    return (value | 1 << 7 * length).to_bytes(length, "big")


def _encode_element(ident: int, content: bytes) -> bytes:
    return (
        ident.to_bytes((ident.bit_length() + 7) // 8, "big") + _encode_size(len(content)) + content
    )


def _encode_with_checksum(ident: int, children: list[tuple[int, bytes]]) -> bytes:
    """Return an element, with a new checksum if its first child is one."""
    content = b"".join(data for child, data in children if child != _CRC)
    if any(child == _CRC for child, _ in children):
        content = _encode_element(_CRC, zlib.crc32(content).to_bytes(4, "little")) + content
    return _encode_element(ident, content)


def _tracks_with_display_size(head: bytes, tracks: _Element, width: int, height: int) -> bytes:
    entries = []
    for entry in _parse_elements(head, tracks.data, tracks.end):
        content = head[entry.start : entry.end]
        if entry.id == _TRACK:
            parts = [
                _video_with_display_size(head, part, width, height)
                if part.id == _VIDEO
                else head[part.start : part.end]
                for part in _parse_elements(head, entry.data, entry.end)
            ]
            content = _encode_element(_TRACK, b"".join(parts))
        entries.append((entry.id, content))
    return _encode_with_checksum(_TRACKS, entries)


def _video_with_display_size(head: bytes, video: _Element, width: int, height: int) -> bytes:
    """Return the settings of a picture with the size, which is a pure number of pixels."""
    replaced = (_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT)
    kept = [
        head[part.start : part.end]
        for part in _parse_elements(head, video.data, video.end)
        if part.id not in replaced
    ]
    size = [
        _encode_element(ident, value.to_bytes(4, "big"))
        for ident, value in ((_DISPLAY_WIDTH, width), (_DISPLAY_HEIGHT, height))
    ]
    return _encode_element(_VIDEO, b"".join(kept + size))


def _shift_seek_positions(
    head: bytes, seek_head: _Element, moved: tuple[int, int], by: int
) -> bytes:
    """Return the list of positions, updated for the elements that moved."""
    seeks = []
    for seek in _parse_elements(head, seek_head.data, seek_head.end):
        content = bytearray(head[seek.start : seek.end])
        for part in _parse_elements(head, seek.data, seek.end):
            place = int.from_bytes(head[part.data : part.end], "big")
            if seek.id == _SEEK and part.id == _SEEK_POSITION and moved[0] <= place <= moved[1]:
                new = (place - by).to_bytes(part.end - part.data, "big")
                content[part.data - seek.start : part.end - seek.start] = new
        seeks.append((seek.id, bytes(content)))
    return _encode_with_checksum(_SEEK_HEAD, seeks)
