"""Read and write the elements of a Matroska file (EBML, RFC 8794)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

SEGMENT, SEEK_HEAD, VOID, CLUSTER = 0x18538067, 0x114D9B74, 0xEC, 0x1F43B675
TRACKS, TRACK = 0x1654AE6B, 0xAE
CRC = 0xBF
# What lies before the packets fits into this much.
HEAD_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Element:
    """Where an element lies.

    Attributes:
        id: Its number (RFC 9559).
        start: The byte at which it begins.
        data: The byte at which its content begins.
        end: The byte behind it.
    """

    id: int
    start: int
    data: int
    end: int

    @property
    def size_bytes(self) -> int:
        """How many bytes its length takes, which may be more than it needs."""
        return self.data - self.start - (self.id.bit_length() + 7) // 8


def parse_elements(data: bytes, start: int, end: int) -> Iterator[Element]:
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
        yield Element(int.from_bytes(data[start:place], "big"), start, content, stop)
        start = stop


def find_head_parts(head: bytes) -> dict[int, Element]:
    """Return, by number, the segment and its parts that lie before the first packet."""
    segment = next((e for e in parse_elements(head, 0, len(head)) if e.id == SEGMENT), None)
    if segment is None:
        return {}
    parts = {SEGMENT: segment}
    for element in parse_elements(head, segment.data, len(head)):
        if element.id == CLUSTER:
            break
        parts.setdefault(element.id, element)
    return parts


def encode_size(value: int, min_length: int = 1) -> bytes:
    """Return the length of an element as it is stored, in as few bytes as is asked for."""
    length = min_length
    while value >= (1 << 7 * length) - 1:
        length += 1
    return (value | 1 << 7 * length).to_bytes(length, "big")


def encode_element(ident: int, content: bytes, size_bytes: int = 1) -> bytes:
    """Return an element with its number and length, which takes as many bytes as is asked for."""
    size = encode_size(len(content), size_bytes)
    return ident.to_bytes((ident.bit_length() + 7) // 8, "big") + size + content


def encode_void(length: int) -> bytes:
    """Return an empty element that takes a number of bytes, which is 0 or at least 2."""
    if not length:
        return b""
    size_bytes = 1 if length < 9 else 8
    return encode_element(VOID, bytes(length - 1 - size_bytes), size_bytes)


def encode_with_checksum(ident: int, children: list[tuple[int, bytes]], size_bytes: int) -> bytes:
    """Return an element, with a new checksum if its first child is one."""
    content = b"".join(data for child, data in children if child != CRC)
    if any(child == CRC for child, _ in children):
        content = encode_element(CRC, zlib.crc32(content).to_bytes(4, "little")) + content
    return encode_element(ident, content, size_bytes)
