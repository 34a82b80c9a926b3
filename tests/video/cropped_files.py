"""Files whose container shows only a part of the pictures, made of files that show all of them."""

from __future__ import annotations

import struct
from pathlib import Path

from outtake.video.matroska_elements import (
    TRACK,
    TRACKS,
    VOID,
    encode_element,
    encode_void,
    encode_with_checksum,
    find_head_parts,
    parse_elements,
)

_VIDEO = 0xE0
_CROPS = (0x54CC, 0x54BB, 0x54DD, 0x54AA)  # left, top, right, bottom
_BOXES = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")


def add_pixel_crop(path: Path, left: int, top: int, right: int, bottom: int) -> None:
    """Say in the video tracks of a Matroska file how much at each side is not shown."""
    data = path.read_bytes()
    parts = find_head_parts(data)
    void, tracks = parts[VOID], parts[TRACKS]
    crop = b"".join(
        encode_element(ident, value.to_bytes(1, "big"))
        for ident, value in zip(_CROPS, (left, top, right, bottom), strict=True)
    )
    entries = []
    for entry in parse_elements(data, tracks.data, tracks.end):
        content = b"".join(
            encode_element(_VIDEO, data[part.data : part.end] + crop, part.size_bytes)
            if part.id == _VIDEO
            else data[part.start : part.end]
            for part in parse_elements(data, entry.data, entry.end)
        )
        made = encode_element(TRACK, content, entry.size_bytes)
        entries.append((entry.id, made if entry.id == TRACK else data[entry.start : entry.end]))
    grown = encode_with_checksum(TRACKS, entries, tracks.size_bytes)
    more = len(grown) - (tracks.end - tracks.start)  # the room of the empty element, so that
    room = encode_void(void.end - void.start - more)  # nothing moves that comes after the tracks
    between = data[void.end : tracks.start]
    path.write_bytes(data[: void.start] + room + between + grown + data[tracks.end :])


def add_clean_aperture(
    path: Path, width: int, height: int, right: int = 0, down: int = 0, entry: bytes = b"avc1"
) -> None:
    """Say in the first track of a MOV or MP4 file, whose index is at its end, what is shown.

    Args:
        path: The file.
        width: The columns that are shown.
        height: The rows that are shown.
        right: By how many halves of a pixel the part lies to the right of the middle.
        down: By how many it lies below.
        entry: The kind of the description of the track.
    """
    data = bytearray(path.read_bytes())
    assert data.index(b"moov") > data.index(b"mdat")
    clap = struct.pack(">I4s4IiIiI", 40, b"clap", width, 1, height, 1, right, 2, down, 2)
    description = data.index(b"stsd", data.index(b"moov"))
    place = data.index(entry, description) - 4
    end = place + struct.unpack_from(">I", data, place)[0]
    boxes = [data.index(kind, data.index(b"moov")) - 4 for kind in _BOXES] + [place]
    data[end:end] = clap
    for box in boxes:
        struct.pack_into(">I", data, box, struct.unpack_from(">I", data, box)[0] + len(clap))
    path.write_bytes(data)
