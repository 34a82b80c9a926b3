"""Write the size at which a Matroska or WebM picture is shown into a finished file.

Only that size says that pixels are not square if the codec itself cannot say so
(VP9, AV1, FFV1, ProRes), and the muxer leaves it out. The elements are those of RFC 9559. The
muxer leaves an empty element before them, whose room is used: nothing after the track
list moves. The length of each element takes as many bytes as before: so the list of tracks never
becomes shorter, and what is named by its position never moves to one that needs more bytes.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from outtake.video.matroska_elements import (
    HEAD_BYTES,
    SEEK_HEAD,
    SEGMENT,
    TRACK,
    TRACKS,
    VOID,
    Element,
    encode_element,
    encode_void,
    encode_with_checksum,
    find_head_parts,
    parse_elements,
)

_SEEK, _SEEK_POSITION = 0x4DBB, 0x53AC
_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT = 0x54B0, 0x54BA, 0x54B2
_VIDEO = 0xE0

_MAX_SIDE_PX = 1 << 16


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
        head = file.read(HEAD_BYTES)
        parts = find_head_parts(head)
        if not {SEGMENT, SEEK_HEAD, VOID, TRACKS} <= parts.keys():
            return False
        segment = parts[SEGMENT]
        seek_head, void, tracks = parts[SEEK_HEAD], parts[VOID], parts[TRACKS]
        if not seek_head.end <= void.start < tracks.start or tracks.end > len(head):
            return False
        grown = _tracks_with_display_size(head, tracks, width, height)
        more = len(grown) - (tracks.end - tracks.start)
        room = void.end - void.start - more
        if more < 0 or room < 0 or room == 1:
            return False
        empty = encode_void(room)
        moved = (void.end - segment.data, tracks.start - segment.data)
        seeks = _shift_seek_positions(head, seek_head, moved, more)
        between = head[void.end : tracks.start]
        file.seek(seek_head.start)
        file.write(seeks + head[seek_head.end : void.start] + empty + between + grown)
    return True


def _tracks_with_display_size(head: bytes, tracks: Element, width: int, height: int) -> bytes:
    entries = []
    for entry in parse_elements(head, tracks.data, tracks.end):
        content = head[entry.start : entry.end]
        if entry.id == TRACK:
            parts = [
                _video_with_display_size(head, part, width, height)
                if part.id == _VIDEO
                else head[part.start : part.end]
                for part in parse_elements(head, entry.data, entry.end)
            ]
            content = encode_element(TRACK, b"".join(parts), entry.size_bytes)
        entries.append((entry.id, content))
    return encode_with_checksum(TRACKS, entries, tracks.size_bytes)


def _video_with_display_size(head: bytes, video: Element, width: int, height: int) -> bytes:
    """Return the settings of a picture with the size, which is a pure number of pixels."""
    replaced = (_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT)
    kept = [
        head[part.start : part.end]
        for part in parse_elements(head, video.data, video.end)
        if part.id not in replaced
    ]
    size = [
        encode_element(ident, value.to_bytes(4, "big"))
        for ident, value in ((_DISPLAY_WIDTH, width), (_DISPLAY_HEIGHT, height))
    ]
    return encode_element(_VIDEO, b"".join(kept + size), video.size_bytes)


def _shift_seek_positions(
    head: bytes, seek_head: Element, moved: tuple[int, int], by: int
) -> bytes:
    """Return the list of positions, updated for the elements that moved."""
    seeks = []
    for seek in parse_elements(head, seek_head.data, seek_head.end):
        content = bytearray(head[seek.start : seek.end])
        for part in parse_elements(head, seek.data, seek.end):
            place = int.from_bytes(head[part.data : part.end], "big")
            if seek.id == _SEEK and part.id == _SEEK_POSITION and moved[0] <= place <= moved[1]:
                new = (place - by).to_bytes(part.end - part.data, "big")
                content[part.data - seek.start : part.end - seek.start] = new
        seeks.append((seek.id, bytes(content)))
    return encode_with_checksum(SEEK_HEAD, seeks, seek_head.size_bytes)
